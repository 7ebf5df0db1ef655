#ifndef PERCEPTIS_ERROR_HPP
#define PERCEPTIS_ERROR_HPP

#include "detail.hpp"

#include <chrono>
#include <stdexcept>

#include <unistd.h>

namespace perceptis {

/// Why a call failed. New codes get new numbers, so a program must accept codes that have no
/// name here.
enum class Code : std::int32_t {
    ok = PERCEPTIS_OK,
    invalid_argument = PERCEPTIS_INVALID_ARGUMENT,
    configuration = PERCEPTIS_CONFIGURATION,
    unauthenticated = PERCEPTIS_UNAUTHENTICATED,
    not_eligible = PERCEPTIS_NOT_ELIGIBLE,
    not_found = PERCEPTIS_NOT_FOUND,
    conflict = PERCEPTIS_CONFLICT,
    rejected = PERCEPTIS_REJECTED,
    rate_limited = PERCEPTIS_RATE_LIMITED,
    server = PERCEPTIS_SERVER,
    transport = PERCEPTIS_TRANSPORT,
    protocol = PERCEPTIS_PROTOCOL,
    outcome_unknown = PERCEPTIS_OUTCOME_UNKNOWN,
    timeout = PERCEPTIS_TIMEOUT,
    cancelled = PERCEPTIS_CANCELLED,
    job_failed = PERCEPTIS_JOB_FAILED,
    incomplete = PERCEPTIS_INCOMPLETE,
    file = PERCEPTIS_FILE,
    ledger = PERCEPTIS_LEDGER,
    closed = PERCEPTIS_CLOSED,
    forked = PERCEPTIS_FORKED,
    would_deadlock = PERCEPTIS_WOULD_DEADLOCK,
    internal = PERCEPTIS_INTERNAL,
};

/// A code's name, such as "TIMEOUT"; "UNKNOWN" for one that the library does not know.
inline const char *name(Code code) noexcept
{
    return perceptis_code_name(static_cast<perceptis_code>(code));
}

/// What went wrong: a sentence for people (`what`), a code and details for programs. Holds neither
/// the API key nor a URL's signature.
class Error : public std::runtime_error {
public:
    Error(Code code, const std::string &message, std::string details = "{}",
          std::string result = std::string())
        : std::runtime_error(message),
          code_(code),
          details_(std::move(details)),
          result_(std::move(result))
    {
    }

    Code code() const noexcept { return code_; }

    /// All that the library says for programs, as a JSON object.
    const std::string &details() const noexcept { return details_; }

    /// The job, once the service has accepted one.
    std::optional<std::string> job_id() const { return detail::json_get(details_, "/job_id"); }

    /// The key under which the same request can be submitted again without a second bill.
    std::optional<std::string> idempotency_key() const
    {
        return detail::json_get(details_, "/idempotency_key");
    }

    /// What is known of the bill: "no", "yes" or "unknown".
    std::string billed() const { return detail::json_get(details_, "/billed").value_or("unknown"); }

    /// Whether the same call, unchanged, can succeed later and costs nothing twice.
    bool retryable() const { return detail::json_text(details_, "/retryable") == "true"; }

    /// How long the service asked to wait.
    std::optional<std::chrono::milliseconds> retry_after() const
    {
        const std::optional<std::uint64_t> wait = detail::json_number(details_, "/retry_after_ms");
        if (!wait) return std::nullopt;
        return std::chrono::milliseconds(static_cast<std::chrono::milliseconds::rep>(*wait));
    }

    /// The HTTP status that decided, where one did.
    std::optional<int> http_status() const
    {
        const std::optional<std::uint64_t> status = detail::json_number(details_, "/http_status");
        if (!status) return std::nullopt;
        return static_cast<int>(*status);
    }

    /// The service's own code, such as "ambiguous_template_name".
    std::optional<std::string> api_code() const { return detail::json_get(details_, "/api_code"); }

    /// The service's name for the request, for its support.
    std::optional<std::string> request_id() const
    {
        return detail::json_get(details_, "/request_id");
    }

    /// With `Code::incomplete` what came, as JSON for `Result`; "" otherwise.
    const std::string &result() const noexcept { return result_; }

private:
    Code code_;
    std::string details_;
    std::string result_;
};

namespace detail {

/// The error of a call that has failed.
inline Error read_error(const perceptis_error *error, const char *result = nullptr)
{
    return Error(static_cast<Code>(perceptis_error_code(error)), perceptis_error_message(error),
                 perceptis_error_details(error), result != nullptr ? result : "");
}

/// Calls a function of the library with a place for its error, and throws that.
template <class Function> void call(Function &&function)
{
    perceptis_error *error = nullptr;
    const perceptis_code code = std::forward<Function>(function)(&error);
    const ErrorHandle owned(error);
    if (code != PERCEPTIS_OK) throw read_error(error);
}

/// Calls a function of the library that hands out a text.
template <class Function> std::string call_for_text(Function &&function)
{
    perceptis_error *error = nullptr;
    char *text = nullptr;
    const perceptis_code code = std::forward<Function>(function)(&text, &error);
    const ErrorHandle owned_error(error);
    const Text owned_text(text);
    if (code != PERCEPTIS_OK) throw read_error(error, text);
    return std::string(text);
}

/// A text for C; what C can't hold is refused by its name rather than cut.
inline std::string c_text(const char *argument, std::string_view text)
{
    if (text.find('\0') != std::string_view::npos) {
        throw Error(Code::invalid_argument,
                    "argument " + std::string(argument) +
                        " holds a NUL character, which no C text can",
                    R"({"billed":"no","retryable":false})");
    }
    return std::string(text);
}

/// Refuses an object from before a fork, in the child, before any lock of it is taken.
inline void check_process(pid_t process)
{
    if (process != getpid()) {
        throw Error(Code::forked,
                    "made before a fork, in the parent process; make a new one in this process",
                    R"({"billed":"no","retryable":false})");
    }
}

/// Refuses a library that this header was not made for.
inline void check_abi()
{
    static const bool fits = [] {
        const std::uint32_t version = perceptis_abi_version();
        const std::uint32_t major = version >> 16, minor = version & 0xffffU;
        if (major != PERCEPTIS_ABI_MAJOR || minor < PERCEPTIS_ABI_MINOR) {
            throw Error(Code::configuration, "libperceptis has the C ABI " + std::to_string(major) +
                                                 "." + std::to_string(minor) + "; needed is " +
                                                 std::to_string(PERCEPTIS_ABI_MAJOR) + "." +
                                                 std::to_string(PERCEPTIS_ABI_MINOR) + " or later");
        }
        return true;
    }();
    static_cast<void>(fits);
}

} // namespace detail
} // namespace perceptis

#endif
