#ifndef PERCEPTIS_SETTINGS_HPP
#define PERCEPTIS_SETTINGS_HPP

#include "error.hpp"

#include <chrono>
#include <vector>

namespace perceptis {

/// What a client is made from. What is not set is taken from the environment variable
/// PERCEPTIS_<NAME>, else the library's default holds. From C++20 on: `perceptis::Client
/// client({.api_key = key, .app_name = "shop"});`
struct Settings {
    std::optional<std::string> api_key = std::nullopt;
    std::optional<std::string> api_base_url = std::nullopt;
    std::optional<std::string> app_name = std::nullopt;
    std::optional<std::string> ca_file = std::nullopt;
    std::optional<std::string> client_cert_file = std::nullopt;
    std::optional<std::string> client_key_file = std::nullopt;
    std::optional<bool> allow_http = std::nullopt;
    std::optional<std::chrono::milliseconds> connect_timeout = std::nullopt;
    std::optional<std::chrono::milliseconds> submit_timeout = std::nullopt;
    std::optional<std::chrono::milliseconds> status_timeout = std::nullopt;
    std::optional<std::chrono::milliseconds> download_idle_timeout = std::nullopt;
    std::optional<std::chrono::milliseconds> poll_first = std::nullopt;
    std::optional<std::chrono::milliseconds> poll_max = std::nullopt;
    std::optional<unsigned> time_scale = std::nullopt;
    std::optional<unsigned long long> jitter_seed = std::nullopt;
    /// Any other key of perceptis_config_set, with its value as text.
    std::vector<std::pair<std::string, std::string>> further = {};
};

namespace detail {

using ConfigHandle = Handle<perceptis_config, perceptis_config_free>;

inline ConfigHandle make_config(const Settings &settings)
{
    ConfigHandle config(perceptis_config_new());
    const auto set = [&config](const char *key, const std::string &value) {
        const std::string text = c_text(key, value);
        call([&](perceptis_error **error) {
            return perceptis_config_set(config.get(), key, text.c_str(), error);
        });
    };
    const auto text = [&set](const char *key, const std::optional<std::string> &value) {
        if (value) set(key, *value);
    };
    const auto duration = [&set](const char *key,
                                 const std::optional<std::chrono::milliseconds> &value) {
        if (value) set(key, std::to_string(value->count()));
    };
    text("api_key", settings.api_key);
    text("api_base_url", settings.api_base_url);
    text("app_name", settings.app_name);
    text("ca_file", settings.ca_file);
    text("client_cert_file", settings.client_cert_file);
    text("client_key_file", settings.client_key_file);
    if (settings.allow_http) set("allow_http", *settings.allow_http ? "true" : "false");
    duration("connect_timeout_ms", settings.connect_timeout);
    duration("submit_timeout_ms", settings.submit_timeout);
    duration("status_timeout_ms", settings.status_timeout);
    duration("download_idle_timeout_ms", settings.download_idle_timeout);
    duration("poll_first_ms", settings.poll_first);
    duration("poll_max_ms", settings.poll_max);
    if (settings.time_scale) set("time_scale", std::to_string(*settings.time_scale));
    if (settings.jitter_seed) set("jitter_seed", std::to_string(*settings.jitter_seed));
    for (const std::pair<std::string, std::string> &pair : settings.further) {
        set(c_text("key", pair.first).c_str(), pair.second);
    }
    return config;
}

} // namespace detail
} // namespace perceptis

#endif
