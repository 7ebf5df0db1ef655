/* A host that costs as little as possible: it has one job, completed, and one file, in memory. The sandbox
   makes its files as they are asked for; here the client is to be what is slow. */
#ifndef BENCHES_FILE_SERVER_H
#define BENCHES_FILE_SERVER_H

#include <stddef.h>

/* Starts it in a process of its own, which ends with this one, and returns its port on 127.0.0.1. Every
   `/api/v1/status/ID` is a completed job with the file, whose format is what ID has before its first `-`;
   every other path is the file. Call it before there are threads. */
int file_server_start(const unsigned char *file, size_t size);

#endif
