/* The sandbox as libcurl's side sees it: where it is, with which key, and an answer as text. */
#ifndef BENCHES_SERVICE_H
#define BENCHES_SERVICE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "measure.h"

/* What `perceptis-sandbox exec` has set. */
static inline const char *setting(const char *name)
{
    const char *value = getenv(name);
    CHECK(value != NULL, "%s is not set: run this under perceptis-sandbox exec", name);
    return value;
}

struct text {
    char bytes[4096];
    size_t size;
};

/* For CURLOPT_WRITEFUNCTION; an answer about a job is a few hundred bytes. */
static inline size_t take_text(char *data, size_t size, size_t count, void *user)
{
    struct text *text = user;
    size *= count;
    if (text->size + size >= sizeof text->bytes) return 0;
    memcpy(text->bytes + text->size, data, size);
    text->size += size;
    text->bytes[text->size] = '\0';
    return size;
}

/* Copies the id from an answer to a submission. */
static inline void job_id_of(const struct text *text, char *id, size_t size)
{
    static const char field[] = "\"job_id\":\"";
    const char *at = strstr(text->bytes, field);
    CHECK(at != NULL, "no job id in %s", text->bytes);
    at += sizeof field - 1;
    snprintf(id, size, "%.*s", (int)strcspn(at, "\""), at);
}

#endif
