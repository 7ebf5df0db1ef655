/* A presentation of any size, as good as one: a zip of stored entries, whose checksums hold. */
#ifndef BENCHES_DECK_H
#define BENCHES_DECK_H

#include <stddef.h>

/* Makes one of about this many bytes, at most 4 GiB; `size` becomes what it has. The caller frees it. */
unsigned char *deck_make(size_t about, size_t *size);

#endif
