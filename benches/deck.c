#define _POSIX_C_SOURCE 200809L
#include "deck.h"
#include "measure.h"

#include <stdint.h>
#include <string.h>

enum { PICTURE = 8 << 20, MAX_ENTRIES = 600 };

static uint32_t table[256];

static uint32_t crc32_of(const unsigned char *data, size_t size)
{
    uint32_t crc = 0xffffffff;
    for (size_t at = 0; at < size; at++) crc = table[(crc ^ data[at]) & 0xff] ^ crc >> 8;
    return ~crc;
}

static unsigned char *put(unsigned char *to, uint32_t value, int bytes)
{
    for (int at = 0; at < bytes; at++) *to++ = (unsigned char)(value >> 8 * at);
    return to;
}

struct entry {
    char name[40];
    uint32_t crc, size, at;
};

/* The fields that a local header and the directory's entry have alike (APPNOTE, 4.3.7 and 4.3.12). */
static unsigned char *put_fields(unsigned char *to, const struct entry *entry)
{
    to = put(to, 20, 2);         /* version needed */
    to = put(to, 0, 2);          /* flags */
    to = put(to, 0, 2);          /* stored */
    to = put(to, 0x5b490000, 4); /* a moment in 2025 */
    to = put(to, entry->crc, 4);
    to = put(to, entry->size, 4);
    to = put(to, entry->size, 4);
    to = put(to, (uint32_t)strlen(entry->name), 2);
    return put(to, 0, 2); /* extra */
}

static unsigned char *put_name(unsigned char *to, const struct entry *entry)
{
    memcpy(to, entry->name, strlen(entry->name));
    return to + strlen(entry->name);
}

unsigned char *deck_make(size_t about, size_t *size)
{
    static const char types[]
        = "<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\"><Override "
          "PartName=\"/ppt/presentation.xml\" ContentType=\"application/vnd.openxmlformats-officedocument."
          "presentationml.presentation.main+xml\"/></Types>";
    static struct entry entries[MAX_ENTRIES];
    uint64_t random = 0x9e3779b97f4a7c15;
    size_t count = 2 + (about + PICTURE - 1) / PICTURE;
    CHECK(count <= MAX_ENTRIES && about < (size_t)4 << 30, "no deck is as large as that");
    for (uint32_t at = 0; at < 256; at++) {
        table[at] = at;
        for (int bit = 0; bit < 8; bit++) table[at] = table[at] >> 1 ^ (table[at] & 1 ? 0xedb88320 : 0);
    }
    unsigned char *file = malloc(about + count * 256 + 1024), *to = file;
    CHECK(file != NULL, "no memory for a deck");
    for (size_t at = 0; at < count; at++) {
        struct entry *entry = &entries[at];
        unsigned char *data = to + 30;
        if (at < 2) {
            snprintf(entry->name, sizeof entry->name,
                     at == 0 ? "[Content_Types].xml" : "ppt/presentation.xml");
            data += strlen(entry->name);
            entry->size = at == 0 ? sizeof types - 1 : 15;
            memcpy(data, at == 0 ? types : "<presentation/>", entry->size);
        } else {
            snprintf(entry->name, sizeof entry->name, "ppt/media/image%zu.png", at - 1);
            data += strlen(entry->name);
            size_t left = about - (at - 2) * PICTURE;
            entry->size = (uint32_t)(left < PICTURE ? left : PICTURE);
            for (uint32_t byte = 0; byte < entry->size; byte++) {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                data[byte] = (unsigned char)random;
            }
        }
        entry->crc = crc32_of(data, entry->size);
        entry->at = (uint32_t)(to - file);
        put_name(put_fields(put(to, 0x04034b50, 4), entry), entry);
        to = data + entry->size;
    }
    uint32_t directory = (uint32_t)(to - file);
    for (size_t at = 0; at < count; at++) {
        to = put_fields(put(put(to, 0x02014b50, 4), 20, 2), &entries[at]);
        to = put(to, 0, 2); /* comment */
        to = put(to, 0, 2); /* disk */
        to = put(to, 0, 2); /* internal attributes */
        to = put(to, 0, 4); /* external attributes */
        to = put_name(put(to, entries[at].at, 4), &entries[at]);
    }
    uint32_t end = (uint32_t)(to - file);
    to = put(put(to, 0x06054b50, 4), 0, 4);
    to = put(put(to, (uint32_t)count, 2), (uint32_t)count, 2);
    to = put(put(put(to, end - directory, 4), directory, 4), 0, 2);
    *size = (size_t)(to - file);
    return file;
}
