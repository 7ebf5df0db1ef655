// What calls hand out: views of the library's JSON, which stays at hand unchanged.
#ifndef PERCEPTIS_RESULT_HPP
#define PERCEPTIS_RESULT_HPP

#include "error.hpp"

#include <chrono>
#include <filesystem>
#include <vector>

namespace perceptis {

/// A file on disk.
class File {
public:
    File(const std::string &json, const std::string &at)
        : path_(detail::json_text(json, at + "/path")),
          format_(detail::json_text(json, at + "/format")),
          sha256_(detail::json_text(json, at + "/sha256")),
          note_(detail::json_get(json, at + "/note")),
          size_(detail::json_number(json, at + "/size").value_or(0)),
          variant_(detail::json_number(json, at + "/variant").value_or(1))
    {
    }

    /// Where it is, absolute.
    const std::filesystem::path &path() const noexcept { return path_; }
    /// Its format, such as "pptx".
    const std::string &format() const noexcept { return format_; }
    /// Its SHA-256, in hexadecimal.
    const std::string &sha256() const noexcept { return sha256_; }
    /// What the caller should know about it, such as that its name was taken.
    const std::optional<std::string> &note() const noexcept { return note_; }
    /// Its length in bytes.
    std::uint64_t size() const noexcept { return size_; }
    /// Which variant, from 1.
    std::uint64_t variant() const noexcept { return variant_; }

private:
    std::filesystem::path path_;
    std::string format_;
    std::string sha256_;
    std::optional<std::string> note_;
    std::uint64_t size_;
    std::uint64_t variant_;
};

/// A file that a completed job offers.
class Download {
public:
    Download(const std::string &json, const std::string &at)
        : url_(detail::json_text(json, at + "/url")),
          format_(detail::json_text(json, at + "/format")),
          variant_(detail::json_number(json, at + "/variant"))
    {
    }

    /// Where it is for a short while. Its query is a secret.
    const std::string &url() const noexcept { return url_; }
    const std::string &format() const noexcept { return format_; }
    /// Which variant, from 1, where the service says so.
    const std::optional<std::uint64_t> &variant() const noexcept { return variant_; }

private:
    std::string url_;
    std::string format_;
    std::optional<std::uint64_t> variant_;
};

namespace detail {

/// The entries of a list in a JSON text.
template <class Entry> std::vector<Entry> entries(const std::string &json, const std::string &list)
{
    std::vector<Entry> found;
    for (std::size_t at = 0;; at++) {
        const std::string pointer = list + "/" + std::to_string(at);
        if (!json_get(json, pointer)) return found;
        found.emplace_back(json, pointer);
    }
}

/// A JSON text of the library's.
class Json {
public:
    explicit Json(std::string json) : json_(std::move(json)) {}

    /// As the library handed it out.
    const std::string &json() const noexcept { return json_; }
    /// The job's id.
    std::string job_id() const { return json_text(json_, "/job_id"); }
    /// Any value by its JSON pointer, such as "/job/new_field"; nothing where it is missing or
    /// null.
    std::optional<std::string> at(const std::string &pointer) const
    {
        return json_get(json_, pointer);
    }

    /// The type of such a value: "null", "boolean", "number", "string", "array" or "object"; ""
    /// where there is none.
    std::string_view type(const std::string &pointer) const
    {
        return detail::json_type(json_, pointer);
    }

private:
    std::string json_;
};

} // namespace detail

/// What `run` and `download` made.
class Result : public detail::Json {
public:
    explicit Result(std::string json)
        : Json(std::move(json)),
          files_(detail::entries<File>(this->json(), "/files")),
          unverified_(detail::entries<File>(this->json(), "/unverified"))
    {
    }

    std::string status() const { return detail::json_text(json(), "/status"); }
    std::string output_type() const { return detail::json_text(json(), "/output_type"); }
    std::optional<std::string> idempotency_key() const { return at("/idempotency_key"); }
    /// What is known of the bill: "no", "yes" or "unknown".
    std::string billed() const { return detail::json_text(json(), "/billed"); }
    /// Whether the call continued the submission of an equal call.
    bool adopted() const { return at("/adopted") == "true"; }
    /// Whether the ledger has all of it.
    bool recorded() const { return at("/recorded") == "true"; }
    /// How many submissions wait for perceptis_recover.
    std::uint64_t unsettled() const
    {
        return detail::json_number(json(), "/unsettled").value_or(0);
    }
    /// What the caller should know about the submission.
    std::optional<std::string> note() const { return at("/note"); }
    /// The files that are whole and under their names.
    const std::vector<File> &files() const noexcept { return files_; }
    /// Files that arrived damaged and were kept; only in the result of an error.
    const std::vector<File> &unverified() const noexcept { return unverified_; }

private:
    std::vector<File> files_;
    std::vector<File> unverified_;
};

/// A job's state, as the service told it: `json` is exactly what it sent.
class Status : public detail::Json {
public:
    explicit Status(std::string json)
        : Json(std::move(json)), downloads_(detail::entries<Download>(this->json(), "/downloads"))
    {
    }

    /// "pending", "processing", "completed", "failed", or a word that is new.
    std::string status() const { return detail::json_text(json(), "/status"); }
    std::string output_type() const { return detail::json_text(json(), "/output_type"); }
    const std::vector<Download> &downloads() const noexcept { return downloads_; }

private:
    std::vector<Download> downloads_;
};

/// A submission that the service accepted.
class Accepted : public detail::Json {
public:
    explicit Accepted(std::string json) : Json(std::move(json)) {}

    std::string idempotency_key() const { return detail::json_text(json(), "/idempotency_key"); }
    std::string output_type() const { return detail::json_text(json(), "/output_type"); }
    std::string billed() const { return detail::json_text(json(), "/billed"); }
    /// Whether the call continued the submission of an equal call.
    bool adopted() const { return at("/adopted") == "true"; }
    /// Whether the ledger has all of it.
    bool recorded() const { return at("/recorded") == "true"; }
    /// How many submissions wait for perceptis_recover.
    std::uint64_t unsettled() const
    {
        return detail::json_number(json(), "/unsettled").value_or(0);
    }
    /// What the caller should know about the submission.
    std::optional<std::string> note() const { return at("/note"); }
};

/// Where a call stands.
class Progress : public detail::Json {
public:
    explicit Progress(std::string json) : Json(std::move(json)) {}

    std::string operation() const { return detail::json_text(json(), "/operation"); }
    /// "preparing", "submitting", "waiting" or "downloading".
    std::string phase() const { return detail::json_text(json(), "/phase"); }
    /// The job's last known state.
    std::optional<std::string> status() const { return at("/status"); }
    std::optional<std::string> idempotency_key() const { return at("/idempotency_key"); }
    /// Since the call began.
    std::chrono::milliseconds elapsed() const
    {
        const std::uint64_t time = detail::json_number(json(), "/elapsed_ms").value_or(0);
        return std::chrono::milliseconds(static_cast<std::chrono::milliseconds::rep>(time));
    }
    /// In which time the job is likely to be done, while that is known.
    std::optional<std::chrono::milliseconds> eta() const { return time_at("/eta_ms"); }
    /// The same at the earliest.
    std::optional<std::chrono::milliseconds> eta_low() const { return time_at("/eta_low_ms"); }
    /// The same at the latest.
    std::optional<std::chrono::milliseconds> eta_high() const { return time_at("/eta_high_ms"); }
    /// On how many jobs of its kind that stands; 0: on the service's documentation.
    std::optional<std::uint64_t> eta_jobs() const
    {
        return detail::json_number(json(), "/eta_jobs");
    }

private:
    std::optional<std::chrono::milliseconds> time_at(const char *pointer) const
    {
        const std::optional<std::uint64_t> time = detail::json_number(json(), pointer);
        if (!time) return std::nullopt;
        return std::chrono::milliseconds(static_cast<std::chrono::milliseconds::rep>(*time));
    }
};

} // namespace perceptis

#endif
