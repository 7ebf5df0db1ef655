/* Preloaded into the worker: the machine's clocks, its reboots, its failing disk and the moments of sudden
   death.

   The test and all workers of one history share a mapped file, `struct machine`, whose path is in
   SEQUENCES_MACHINE. The test writes into it while the workers run: CLOCK_REALTIME and CLOCK_BOOTTIME are
   shifted by it, the boot id is made from it, chosen calls that change files fail, and a chosen process is
   killed at the n-th such call. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* Kinds of calls, as bits of `kinds`. */
enum { WRITE = 1, SYNC = 2, CREATE = 4, RENAME = 8, UNLINK = 16, SEND = 32 };

/* Calls that fail: those of these kinds on paths that begin with `root` and contain `part`, after `skip`
   others, `left` times. `machine.rs` has the same two structures. */
struct fault {
    uint32_t kinds;
    int32_t error, skip, left;
    char root[256], part[64];
};

struct machine {
    int64_t wall_ns, boot_ns;
    uint32_t boot_number;
    /* Process `die_pid` is killed before its `die_after`-th call that changes something below `root`, or
     * sends. */
    int32_t die_pid, die_after;
    char root[256];
    struct fault faults[2];
};

static struct machine *machine;
static long (*raw)(long, ...);

static void *next(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);
    if (found == NULL) _exit(120);
    return found;
}

__attribute__((constructor)) static void begin(void)
{
    raw = (long (*)(long, ...))next("syscall");
    const char *path = getenv("SEQUENCES_MACHINE");
    if (path == NULL) return;
    int fd = (int)raw(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
    if (fd < 0) _exit(121);
    void *mapped = mmap(NULL, sizeof *machine, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (mapped == MAP_FAILED) _exit(122);
    raw(SYS_close, fd);
    machine = mapped;
}

/* ---- clocks ---- */

int clock_gettime(clockid_t clock, struct timespec *now)
{
    if (raw == NULL) raw = (long (*)(long, ...))next("syscall");
    if (raw(SYS_clock_gettime, clock, now) != 0) return -1;
    if (machine == NULL || (clock != CLOCK_REALTIME && clock != CLOCK_BOOTTIME)) return 0;
    int64_t shift = __atomic_load_n(clock == CLOCK_REALTIME ? &machine->wall_ns : &machine->boot_ns,
                                    __ATOMIC_SEQ_CST);
    int64_t whole = now->tv_sec * 1000000000LL + now->tv_nsec + shift;
    if (whole < 0) whole = 0;
    now->tv_sec = whole / 1000000000LL;
    now->tv_nsec = whole % 1000000000LL;
    return 0;
}

/* A file with this boot's id in the place of the system's. */
static int boot_id(void)
{
    char text[40];
    int length = snprintf(text, sizeof text, "00000000-0000-4000-8000-%012x\n", machine->boot_number);
    int fd = (int)raw(SYS_memfd_create, "boot_id", (unsigned)MFD_CLOEXEC);
    if (fd < 0) return fd;
    raw(SYS_write, fd, text, (size_t)length);
    raw(SYS_lseek, fd, 0L, SEEK_SET);
    return fd;
}

/* ---- faults ---- */

static int below(const char *path, const char *root)
{
    size_t length = strlen(root);
    return length > 0 && strncmp(path, root, length) == 0;
}

static int fails(struct fault *fault, int kind, const char *path)
{
    if (!(__atomic_load_n(&fault->kinds, __ATOMIC_SEQ_CST) & (uint32_t)kind) || !below(path, fault->root))
        return 0;
    if (strstr(path, fault->part) == NULL) return 0;
    if (__atomic_sub_fetch(&fault->skip, 1, __ATOMIC_SEQ_CST) >= 0) return 0;
    if (__atomic_sub_fetch(&fault->left, 1, __ATOMIC_SEQ_CST) < 0) return 0;
    errno = fault->error;
    return -1;
}

/* Before a call of this kind on this path: kills the process or says that the call has to fail (-1). */
static int strike(int kind, const char *path)
{
    if (machine->die_pid == getpid() && (kind == SEND || below(path, machine->root))
        && __atomic_sub_fetch(&machine->die_after, 1, __ATOMIC_SEQ_CST) == 0) {
        raw(SYS_kill, getpid(), SIGKILL);
        for (;;) raw(SYS_pause);
    }
    return fails(&machine->faults[0], kind, path) ? -1 : fails(&machine->faults[1], kind, path);
}

/* Whether anything is to be looked at, which costs system calls. */
static int armed(void)
{
    return machine != NULL
        && (machine->faults[0].kinds != 0 || machine->faults[1].kinds != 0 || machine->die_pid != 0);
}

static int strike_path(int kind, const char *path)
{
    return armed() && path != NULL ? strike(kind, path) : 0;
}

/* The same for an open file. */
static int strike_file(int kind, int fd)
{
    char link[64], path[PATH_MAX];
    struct stat found;
    if (!armed()) return 0;
    int kept = errno;
    if (fstat(fd, &found) != 0) {
        errno = kept;
        return 0;
    }
    if (S_ISSOCK(found.st_mode)) {
        struct sockaddr_storage address = {0};
        socklen_t size = sizeof address;
        int is_network = getsockname(fd, (struct sockaddr *)&address, &size) == 0
            && address.ss_family != AF_UNIX;
        errno = kept;
        return is_network && kind == WRITE ? strike(SEND, "") : 0;
    }
    if (!(S_ISREG(found.st_mode) || S_ISDIR(found.st_mode))) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    long length = raw(SYS_readlinkat, AT_FDCWD, link, path, (size_t)(PATH_MAX - 1));
    errno = kept;
    if (length < 0) return 0;
    path[length] = 0;
    return strike(kind, path);
}

/* ---- the calls ---- */

ssize_t write(int fd, const void *data, size_t size)
{
    return strike_file(WRITE, fd) ? -1 : raw(SYS_write, fd, data, size);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
    return strike_file(WRITE, fd) ? -1 : raw(SYS_pwrite64, fd, data, size, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset)
{
    return strike_file(WRITE, fd) ? -1 : raw(SYS_pwrite64, fd, data, size, offset);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    return strike_file(WRITE, fd) ? -1 : raw(SYS_writev, fd, parts, count);
}

ssize_t send(int fd, const void *data, size_t size, int flags)
{
    return strike_file(WRITE, fd) ? -1 : raw(SYS_sendto, fd, data, size, flags, NULL, 0);
}

int ftruncate64(int fd, off64_t length)
{
    return strike_file(WRITE, fd) ? -1 : (int)raw(SYS_ftruncate, fd, length);
}
int ftruncate(int fd, off_t length)
{
    return ftruncate64(fd, length);
}

/* The place is memory or as slow as a disk; no power is lost here, so that nothing is really synced. */
int fsync(int fd)
{
    return strike_file(SYNC, fd) ? -1 : 0;
}
int fdatasync(int fd)
{
    return strike_file(SYNC, fd) ? -1 : 0;
}

static int open_it(int directory, const char *path, int flags, mode_t mode)
{
    if (machine != NULL && path != NULL && strcmp(path, "/proc/sys/kernel/random/boot_id") == 0)
        return boot_id();
    int creates = (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
    if (creates && strike_path(CREATE, path)) return -1;
    return (int)raw(SYS_openat, directory, path, flags, mode);
}

#define WITH_MODE(flags, mode)             \
    mode_t mode = 0;                       \
    if ((flags) & (O_CREAT | O_TMPFILE)) { \
        va_list further;                   \
        va_start(further, flags);          \
        mode = va_arg(further, mode_t);    \
        va_end(further);                   \
    }

int open(const char *path, int flags, ...)
{
    WITH_MODE(flags, mode) return open_it(AT_FDCWD, path, flags, mode);
}
int open64(const char *path, int flags, ...)
{
    WITH_MODE(flags, mode) return open_it(AT_FDCWD, path, flags, mode);
}
int openat(int at_fd, const char *path, int flags, ...)
{
    WITH_MODE(flags, mode) return open_it(at_fd, path, flags, mode);
}
int openat64(int at_fd, const char *path, int flags, ...)
{
    WITH_MODE(flags, mode) return open_it(at_fd, path, flags, mode);
}

int mkdir(const char *path, mode_t mode)
{
    return strike_path(CREATE, path) ? -1 : (int)raw(SYS_mkdirat, AT_FDCWD, path, mode);
}

int rename(const char *from, const char *to)
{
    return strike_path(RENAME, to) ? -1 : (int)raw(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    return strike_path(RENAME, to) ? -1 : (int)raw(SYS_renameat2, from_fd, from, to_fd, to, 0);
}

int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
    return strike_path(RENAME, to) ? -1 : (int)raw(SYS_renameat2, from_fd, from, to_fd, to, flags);
}

int link(const char *from, const char *to)
{
    return strike_path(RENAME, to) ? -1 : (int)raw(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
    return strike_path(RENAME, to) ? -1 : (int)raw(SYS_linkat, from_fd, from, to_fd, to, flags);
}

int unlink(const char *path)
{
    return strike_path(UNLINK, path) ? -1 : (int)raw(SYS_unlinkat, AT_FDCWD, path, 0);
}

int unlinkat(int directory, const char *path, int flags)
{
    return strike_path(UNLINK, path) ? -1 : (int)raw(SYS_unlinkat, directory, path, flags);
}

/* The C library may be older than a call, and is gone around then. */
long syscall(long number, ...)
{
    va_list further;
    va_start(further, number);
    long a = va_arg(further, long), b = va_arg(further, long), c = va_arg(further, long),
         d = va_arg(further, long), e = va_arg(further, long), f = va_arg(further, long);
    va_end(further);
    if (raw == NULL) raw = (long (*)(long, ...))next("syscall");
    if (number == SYS_renameat2)
        return renameat2((int)a, (const char *)b, (int)c, (const char *)d, (unsigned)e);
    return raw(number, a, b, c, d, e, f);
}
