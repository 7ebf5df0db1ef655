// What the other files share; not for programs.
#ifndef PERCEPTIS_DETAIL_HPP
#define PERCEPTIS_DETAIL_HPP

#include "../perceptis.h"

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace perceptis {
namespace detail {

/// Frees what the library handed out, by its own function.
template <auto Free> struct Deleter {
    template <class T> void operator()(T *handle) const noexcept { Free(handle); }
};

template <class T, auto Free> using Handle = std::unique_ptr<T, Deleter<Free>>;

using Text = Handle<char, perceptis_string_free>;
using ErrorHandle = Handle<perceptis_error, perceptis_error_free>;
using EventHandle = Handle<perceptis_event, perceptis_event_free>;
using ClientHandle = Handle<perceptis_client, perceptis_client_free>;
using QueueHandle = Handle<perceptis_queue, perceptis_queue_free>;

/// The type of the value at a JSON pointer, such as "null" or "string"; "" where there is none.
inline std::string_view json_type(const std::string &json, const std::string &pointer)
{
    const char *const type = perceptis_json_type(json.c_str(), pointer.c_str());
    return type ? std::string_view(type) : std::string_view();
}

/// The value at a JSON pointer: a string's text, else its JSON; nothing where it is missing or
/// null.
inline std::optional<std::string> json_get(const std::string &json, const std::string &pointer)
{
    if (json_type(json, pointer) == "null") return std::nullopt;
    const Text text(perceptis_json_get(json.c_str(), pointer.c_str()));
    if (!text) return std::nullopt;
    return std::string(text.get());
}

/// The same, "" where there is none.
inline std::string json_text(const std::string &json, const std::string &pointer)
{
    return json_get(json, pointer).value_or(std::string());
}

/// A whole number that is not negative.
inline std::optional<std::uint64_t> json_number(const std::string &json, const std::string &pointer)
{
    const std::optional<std::string> text = json_get(json, pointer);
    if (!text) return std::nullopt;
    std::uint64_t number = 0;
    const char *const end = text->data() + text->size();
    const std::from_chars_result read = std::from_chars(text->data(), end, number);
    if (read.ec != std::errc() || read.ptr != end) return std::nullopt;
    return number;
}

} // namespace detail
} // namespace perceptis

#endif
