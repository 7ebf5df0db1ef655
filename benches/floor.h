/* The least that fetching a file takes: one thread receives, another one writes, and nothing is checked or
   hashed. */
#ifndef BENCHES_FLOOR_H
#define BENCHES_FLOOR_H

#include <stddef.h>

/* Asks the file server at this port for a job's state, then for the file, and writes that. */
void floor_fetch(int port, int file, size_t size);

#endif
