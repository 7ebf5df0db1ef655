#ifndef PERCEPTIS_OPTIONS_HPP
#define PERCEPTIS_OPTIONS_HPP

#include "error.hpp"

#include <chrono>
#include <filesystem>
#include <vector>

namespace perceptis {

namespace detail {
using OptionsHandle = Handle<perceptis_options, perceptis_options_free>;
}

/// How one call is made. A call ignores the options that do not concern it. A bad value is
/// refused when it is set.
class Options {
public:
    Options() : handle_(perceptis_options_new()) { detail::check_abi(); }

    /// The deadline of the whole call, rounded up to a millisecond.
    template <class Rep, class Period> Options &timeout(std::chrono::duration<Rep, Period> time) &
    {
        return set("timeout_ms",
                   std::to_string(std::chrono::ceil<std::chrono::milliseconds>(time).count()));
    }
    template <class Rep, class Period> Options &&timeout(std::chrono::duration<Rep, Period> time) &&
    {
        return std::move(timeout(time));
    }

    /// Where files go; must exist (default: the working directory).
    Options &directory(const std::filesystem::path &path) &
    {
        return set("directory", path.string());
    }
    Options &&directory(const std::filesystem::path &path) && { return std::move(directory(path)); }

    /// The files' name without its ending (default: the job's id).
    Options &name(std::string_view text) & { return set("name", text); }
    Options &&name(std::string_view text) && { return std::move(name(text)); }

    /// Replaces a file of that name.
    Options &overwrite(bool value) & { return set("overwrite", value ? "true" : "false"); }
    Options &&overwrite(bool value) && { return std::move(overwrite(value)); }

    /// The same key with the same request is the same job, however often it is submitted.
    Options &idempotency_key(std::string_view key) & { return set("idempotency_key", key); }
    Options &&idempotency_key(std::string_view key) && { return std::move(idempotency_key(key)); }

    /// Any option of perceptis_options_set, from text.
    Options &set(std::string_view key, std::string_view value) &
    {
        const std::string c_key = detail::c_text("key", key);
        const std::string c_value = detail::c_text("value", value);
        detail::call([&](perceptis_error **error) {
            return perceptis_options_set(handle_.get(), c_key.c_str(), c_value.c_str(), error);
        });
        values_.emplace_back(c_key, c_value);
        return *this;
    }
    Options &&set(std::string_view key, std::string_view value) &&
    {
        return std::move(set(key, value));
    }

    /// The same options again.
    Options copy() const
    {
        Options made;
        for (const std::pair<std::string, std::string> &value : values_) {
            made.set(value.first, value.second);
        }
        return made;
    }

    /// The handle, which stays this object's.
    const perceptis_options *get() const noexcept { return handle_.get(); }

private:
    detail::OptionsHandle handle_;
    std::vector<std::pair<std::string, std::string>> values_;
};

} // namespace perceptis

#endif
