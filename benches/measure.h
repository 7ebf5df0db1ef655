/* Clocks, medians and one way to fail: what the measuring programs share. */
#ifndef BENCHES_MEASURE_H
#define BENCHES_MEASURE_H

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

/* A measurement that went wrong says so and is none. */
#define CHECK(condition, ...)             \
    do {                                  \
        if (!(condition)) {               \
            fprintf(stderr, __VA_ARGS__); \
            fputc('\n', stderr);          \
            exit(EXIT_FAILURE);           \
        }                                 \
    } while (0)

/* Seconds on the monotonic clock. */
static inline double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Seconds of processor that this process has taken, all its threads, in the kernel too. */
static inline double processor(void)
{
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static inline int by_value(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* Sorts the values: `quantile` 0.5 is their median. */
static inline double quantile(double *values, size_t count, double quantile)
{
    qsort(values, count, sizeof *values, by_value);
    return values[(size_t)(quantile * (double)(count - 1) + 0.5)];
}

static inline double median(double *values, size_t count)
{
    return quantile(values, count, 0.5);
}

#endif
