/* Preloaded into a program: below one directory the disk is an odd one, on which some calls are not offered.

   ODD_ROOT  the directory, without symbolic links
   ODD       what is odd, separated by commas:
             noreplace:E exchange:E rename:E link:E lock:E fsync_file:E fsync_directory:E syncfs:E list:E
             nameless:E
                         the call fails with this error number; `list` is to open a directory for reading
             noreplace:kill exchange:kill link:kill create:kill
                         the process is killed after the call
             name:N      names end at N bytes
   ODD_EDIT  a name below the directory: just before the first exchange another program saves a file of that
             name, as editors do, by a rename */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { KILL = -1 };

static long (*raw)(long, ...);
static char root[PATH_MAX];

__attribute__((constructor)) static void begin(void)
{
    raw = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
    const char *text = getenv("ODD_ROOT");
    if (raw == NULL || text == NULL) _exit(120);
    snprintf(root, sizeof root, "%s", text);
}

/* What is odd about a call: 0 nothing, KILL, or an error number; of names, the longest. */
static int odd(const char *call)
{
    const char *text = getenv("ODD");
    size_t length = strlen(call);
    for (; text != NULL && *text != 0; text = strchr(text, ',') ? strchr(text, ',') + 1 : NULL)
        if (strncmp(text, call, length) == 0 && text[length] == ':')
            return strncmp(text + length + 1, "kill", 4) == 0 ? KILL : atoi(text + length + 1);
    return 0;
}

static int is_below(const char *path)
{
    size_t length = strlen(root);
    return length > 0 && strncmp(path, root, length) == 0 && (path[length] == '/' || path[length] == 0);
}

static int fd_is_below(int fd)
{
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    long length = raw(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return is_below(path);
}

static int path_is_below(int directory, const char *path)
{
    if (path == NULL) return 0;
    return path[0] == '/' ? is_below(path) : directory != AT_FDCWD && fd_is_below(directory);
}

static int is_directory(int fd)
{
    struct stat found;
    return fstat(fd, &found) == 0 && S_ISDIR(found.st_mode);
}

static int fails(int error)
{
    errno = error;
    return -1;
}

static int is_too_long(const char *path)
{
    const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    int most = odd("name");
    return most > 0 && strlen(name) > (size_t)most;
}

/* The end of a call that was made. */
static int made(int oddity, int result)
{
    int kept = errno;
    if (oddity == KILL && result >= 0) raw(SYS_kill, getpid(), SIGKILL);
    errno = kept;
    return result;
}

/* ---- names --------------------------------------------------------------------------------------------- */

static int open_it(int directory, const char *path, int flags, mode_t mode)
{
    if (path_is_below(directory, path)) {
        int is_nameless = (flags & O_TMPFILE) == O_TMPFILE;
        if (is_nameless && odd("nameless") > 0) return fails(odd("nameless"));
        if (flags & O_DIRECTORY && !is_nameless && !(flags & O_PATH) && odd("list") > 0)
            return fails(odd("list"));
        if (is_too_long(path)) return fails(ENAMETOOLONG);
        if (flags & O_CREAT && strstr(path, ".perceptis-rehearsal-") != NULL)
            return made(odd("create"), (int)raw(SYS_openat, directory, path, flags, mode));
    }
    return (int)raw(SYS_openat, directory, path, flags, mode);
}

#define MODE(flags, mode)                  \
    mode_t mode = 0;                       \
    if ((flags) & (O_CREAT | O_TMPFILE)) { \
        va_list further;                   \
        va_start(further, flags);          \
        mode = va_arg(further, mode_t);    \
        va_end(further);                   \
    }

int open(const char *path, int flags, ...)
{
    MODE(flags, mode) return open_it(AT_FDCWD, path, flags, mode);
}
int open64(const char *path, int flags, ...)
{
    MODE(flags, mode) return open_it(AT_FDCWD, path, flags, mode);
}
int openat(int at, const char *path, int flags, ...)
{
    MODE(flags, mode) return open_it(at, path, flags, mode);
}
int openat64(int at, const char *path, int flags, ...)
{
    MODE(flags, mode) return open_it(at, path, flags, mode);
}

static void edit(void)
{
    static int is_done;
    const char *name = getenv("ODD_EDIT");
    char path[PATH_MAX * 2], saved[PATH_MAX * 2 + 2];
    if (name == NULL || is_done) return;
    is_done = 1;
    snprintf(path, sizeof path, "%s/%s", root, name);
    snprintf(saved, sizeof saved, "%s~", path);
    int fd = (int)raw(SYS_openat, AT_FDCWD, saved, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (raw(SYS_write, fd, "edited", 6) != 6) _exit(121);
    raw(SYS_close, fd);
    raw(SYS_renameat2, AT_FDCWD, saved, AT_FDCWD, path, 0);
}

static int rename_it(int from_at, const char *from, int to_at, const char *to, unsigned flags)
{
    if (!path_is_below(from_at, from)) return (int)raw(SYS_renameat2, from_at, from, to_at, to, flags);
    int oddity = odd(flags & 1 ? "noreplace" : flags & 2 ? "exchange" : "rename");
    if (oddity > 0) return fails(oddity);
    if (is_too_long(to)) return fails(ENAMETOOLONG);
    if (flags & 2) edit();
    return made(oddity, (int)raw(SYS_renameat2, from_at, from, to_at, to, flags));
}

int rename(const char *from, const char *to)
{
    return rename_it(AT_FDCWD, from, AT_FDCWD, to, 0);
}
int renameat(int at, const char *from, int to_at, const char *to)
{
    return rename_it(at, from, to_at, to, 0);
}
int renameat2(int at, const char *from, int to_at, const char *to, unsigned flags)
{
    return rename_it(at, from, to_at, to, flags);
}

static int link_it(int from_at, const char *from, int to_at, const char *to, int flags)
{
    int oddity = path_is_below(from_at, from) ? odd("link") : 0;
    if (oddity > 0) return fails(oddity);
    return made(oddity, (int)raw(SYS_linkat, from_at, from, to_at, to, flags));
}

int link(const char *from, const char *to)
{
    return link_it(AT_FDCWD, from, AT_FDCWD, to, 0);
}
int linkat(int at, const char *from, int to_at, const char *to, int flags)
{
    return link_it(at, from, to_at, to, flags);
}

/* ---- files --------------------------------------------------------------------------------------------- */

static int sync_it(int fd, long number)
{
    int oddity = fd_is_below(fd) ? odd(is_directory(fd) ? "fsync_directory" : "fsync_file") : 0;
    return oddity > 0 ? fails(oddity) : (int)raw(number, fd);
}

int fsync(int fd)
{
    return sync_it(fd, SYS_fsync);
}
int fdatasync(int fd)
{
    return sync_it(fd, SYS_fdatasync);
}
int syncfs(int fd)
{
    return odd("syncfs") > 0 && fd_is_below(fd) ? fails(odd("syncfs")) : (int)raw(SYS_syncfs, fd);
}

static int control(int fd, int command, long argument)
{
    int locks = command == F_OFD_SETLK || command == F_OFD_GETLK || command == F_SETLK || command == F_GETLK;
    if (locks && odd("lock") > 0 && fd_is_below(fd)) return fails(odd("lock"));
    return (int)raw(SYS_fcntl, fd, command, argument);
}

#define ARGUMENT(command, argument)        \
    va_list further;                       \
    va_start(further, command);            \
    long argument = va_arg(further, long); \
    va_end(further);

int fcntl(int fd, int command, ...)
{
    ARGUMENT(command, argument) return control(fd, command, argument);
}
int fcntl64(int fd, int command, ...)
{
    ARGUMENT(command, argument) return control(fd, command, argument);
}

int flock(int fd, int operation)
{
    return odd("lock") > 0 && fd_is_below(fd) ? fails(odd("lock")) : (int)raw(SYS_flock, fd, operation);
}

/* The C library may be older than a call, and is gone around then. */
long syscall(long number, ...)
{
    va_list further;
    va_start(further, number);
    long a = va_arg(further, long), b = va_arg(further, long), c = va_arg(further, long),
         d = va_arg(further, long), e = va_arg(further, long), f = va_arg(further, long);
    va_end(further);
    if (raw == NULL) raw = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
    if (number == SYS_renameat2)
        return renameat2((int)a, (const char *)b, (int)c, (const char *)d, (unsigned)e);
    return raw(number, a, b, c, d, e, f);
}
