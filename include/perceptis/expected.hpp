#ifndef PERCEPTIS_EXPECTED_HPP
#define PERCEPTIS_EXPECTED_HPP

#include "error.hpp"

#include <variant>
#if defined(__has_include)
#if __has_include(<version>)
#include <version>
#endif
#endif
#ifdef __cpp_lib_expected
#include <expected>
#endif

namespace perceptis {

#ifdef __cpp_lib_expected

/// A result, or why there is none.
template <class T> using Expected = std::expected<T, Error>;

namespace detail {
template <class T> Expected<T> unexpected(Error error)
{
    return Expected<T>(std::unexpect, std::move(error));
}
} // namespace detail

#else

/// A result, or why there is none: the part of std::expected that a program needs, where the
/// standard library does not have it.
template <class T> class Expected {
public:
    Expected(T value) : held_(std::in_place_index<0>, std::move(value)) {}
    Expected(std::in_place_index_t<1>, Error error)
        : held_(std::in_place_index<1>, std::move(error))
    {
    }

    bool has_value() const noexcept { return held_.index() == 0; }
    explicit operator bool() const noexcept { return has_value(); }

    /// The result; without one the error is thrown.
    const T &value() const &
    {
        if (!has_value()) throw error();
        return **this;
    }
    T &value() &
    {
        if (!has_value()) throw error();
        return **this;
    }
    T &&value() &&
    {
        if (!has_value()) throw error();
        return *std::move(*this);
    }

    const T &operator*() const & noexcept { return *std::get_if<0>(&held_); }
    T &operator*() & noexcept { return *std::get_if<0>(&held_); }
    T &&operator*() && noexcept { return std::move(*std::get_if<0>(&held_)); }
    const T *operator->() const noexcept { return std::get_if<0>(&held_); }
    T *operator->() noexcept { return std::get_if<0>(&held_); }

    const Error &error() const & noexcept { return *std::get_if<1>(&held_); }
    Error &&error() && noexcept { return std::move(*std::get_if<1>(&held_)); }

private:
    std::variant<T, Error> held_;
};

namespace detail {
template <class T> Expected<T> unexpected(Error error)
{
    return Expected<T>(std::in_place_index<1>, std::move(error));
}
} // namespace detail

#endif

namespace detail {

/// What a function returns or, as an error of the library, throws.
template <class T, class Function> Expected<T> expected(Function &&function)
{
    try {
        return std::forward<Function>(function)();
    } catch (Error &error) {
        return unexpected<T>(std::move(error));
    }
}

} // namespace detail
} // namespace perceptis

#endif
