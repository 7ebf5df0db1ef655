#ifndef PERCEPTIS_REQUEST_HPP
#define PERCEPTIS_REQUEST_HPP

#include "error.hpp"

#include <filesystem>

namespace perceptis {

namespace detail {
using RequestHandle = Handle<perceptis_request, perceptis_request_free>;
}

/// What the service is asked to make. A bad value is refused when it is set.
class Request {
public:
    /// For "deck" or "single_slide".
    Request(std::string_view output_type, std::string_view prompt)
    {
        detail::check_abi();
        const std::string type = detail::c_text("output_type", output_type);
        const std::string text = detail::c_text("prompt", prompt);
        perceptis_request *made = nullptr;
        detail::call([&](perceptis_error **error) {
            return perceptis_request_new(type.c_str(), text.c_str(), &made, error);
        });
        handle_.reset(made);
    }

    static Request deck(std::string_view prompt) { return Request("deck", prompt); }
    static Request slide(std::string_view prompt) { return Request("single_slide", prompt); }

    /// From a JSON object with the service's own field names, known and unknown.
    static Request from_json(std::string_view json)
    {
        detail::check_abi();
        const std::string text = detail::c_text("json", json);
        perceptis_request *made = nullptr;
        detail::call([&](perceptis_error **error) {
            return perceptis_request_from_json(text.c_str(), &made, error);
        });
        return Request(detail::RequestHandle(made));
    }

    /// A template that the organization can see.
    Request &template_name(std::string_view name) & { return set("template_name", name); }
    Request &&template_name(std::string_view name) && { return std::move(template_name(name)); }

    /// How many variants (single slides only).
    Request &variant_count(unsigned count) & { return set("variant_count", std::to_string(count)); }
    Request &&variant_count(unsigned count) && { return std::move(variant_count(count)); }

    Request &use_web_search(bool use) & { return set("use_web_search", use ? "true" : "false"); }
    Request &&use_web_search(bool use) && { return std::move(use_web_search(use)); }

    Request &use_knowledge_base(bool use) &
    {
        return set("use_knowledge_base", use ? "true" : "false");
    }
    Request &&use_knowledge_base(bool use) && { return std::move(use_knowledge_base(use)); }

    /// A reference image in memory, with its type, such as "image/png" (single slides only).
    Request &image(const void *data, std::size_t size, std::string_view mime_type) &
    {
        const std::string type = detail::c_text("mime_type", mime_type);
        detail::call([&](perceptis_error **error) {
            return perceptis_request_add_image(handle_.get(), data, size, type.c_str(), error);
        });
        return *this;
    }
    Request &&image(const void *data, std::size_t size, std::string_view mime_type) &&
    {
        return std::move(image(data, size, mime_type));
    }

    /// A reference image from a file (single slides only).
    Request &image(const std::filesystem::path &path) &
    {
        const std::string text = detail::c_text("path", path.string());
        detail::call([&](perceptis_error **error) {
            return perceptis_request_add_image_file(handle_.get(), text.c_str(), error);
        });
        return *this;
    }
    Request &&image(const std::filesystem::path &path) && { return std::move(image(path)); }

    /// A documented field from text.
    Request &set(std::string_view field, std::string_view value) &
    {
        const std::string c_field = detail::c_text("field", field);
        const std::string c_value = detail::c_text("value", value);
        detail::call([&](perceptis_error **error) {
            return perceptis_request_set(handle_.get(), c_field.c_str(), c_value.c_str(), error);
        });
        return *this;
    }
    Request &&set(std::string_view field, std::string_view value) &&
    {
        return std::move(set(field, value));
    }

    /// Any field from JSON, also one that this library does not know.
    Request &set_json(std::string_view field, std::string_view json) &
    {
        const std::string c_field = detail::c_text("field", field);
        const std::string c_json = detail::c_text("json", json);
        detail::call([&](perceptis_error **error) {
            return perceptis_request_set_json(handle_.get(), c_field.c_str(), c_json.c_str(),
                                              error);
        });
        return *this;
    }
    Request &&set_json(std::string_view field, std::string_view json) &&
    {
        return std::move(set_json(field, json));
    }

    /// The body as it is sent, in its canonical form: the same request is the same text.
    std::string to_json() const
    {
        return detail::call_for_text([&](char **json, perceptis_error **error) {
            return perceptis_request_to_json(handle_.get(), json, error);
        });
    }

    /// The handle, which stays this object's.
    const perceptis_request *get() const noexcept { return handle_.get(); }

private:
    explicit Request(detail::RequestHandle handle) : handle_(std::move(handle)) {}

    detail::RequestHandle handle_;
};

} // namespace perceptis

#endif
