/* Preloaded into a program that is to die: counts the calls by which it changes files below a directory or
   speaks to the network, ends it at one of them as a crash would, and keeps a record from which a power loss
   can be played.

   SHIM_ROOT   the directory, without symbolic links; what is elsewhere is not counted
   SHIM_LOG    where the record goes; see `struct record`
   SHIM_AT     the call at which something happens, from 1; 0 or not set: none
   SHIM_HOW    what happens: "before", "after": the process is killed before or after the call; "torn": after
               half of what it writes; "full": from this call on the disk has no room
   SHIM_BROKEN "ledger", "part": the syncs of such files do nothing, those of the ledger until the first
               byte is sent
   SHIM_LINKS  set: the file system can't rename without replacing, and can't exchange

   One lock is held over each call and its record, so that what is recorded happened, in that order. Nothing
   is really synced: only the record says what was. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* Before each record's two paths and data. */
struct record {
    uint64_t number, inode, offset;
    uint32_t kind, path_length, to_length, data_length;
};

/* Kinds; 'K' is where the process was killed, with the kind of the call in `offset`. */
enum {
    WRITE = 'w',
    TRUNCATE = 't',
    SYNC = 's',
    SYNC_DIRECTORY = 'd',
    CREATE = 'c',
    MAKE_DIRECTORY = 'm',
    RENAME = 'r',
    EXCHANGE = 'x',
    LINK = 'l',
    UNLINK = 'u',
    SEND = 'n',
    CONNECT = 'o',
    KILLED = 'K'
};

enum how { NEVER, BEFORE, AFTER, TORN, FULL };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char root[PATH_MAX];
static int record_to = -1;
static uint64_t calls, at;
static enum how how;
static const char *broken = "";
static int links, sent;

/* The function that would have been called without us. */
#define NEXT(name) ((__typeof__(&name))next(#name))
static void *next(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);
    if (found == NULL) _exit(120);
    return found;
}

static long (*raw)(long, ...);

__attribute__((constructor)) static void begin(void)
{
    raw = (long (*)(long, ...))next("syscall");
    const char *text = getenv("SHIM_ROOT"), *to = getenv("SHIM_LOG");
    if (text == NULL || to == NULL) return;
    snprintf(root, sizeof root, "%s/", text);
    record_to = (int)raw(SYS_openat, AT_FDCWD, to, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (record_to < 0) _exit(121);
    if ((text = getenv("SHIM_AT")) != NULL) at = strtoull(text, NULL, 10);
    if ((text = getenv("SHIM_HOW")) != NULL)
        how = !strcmp(text, "before") ? BEFORE
            : !strcmp(text, "after")  ? AFTER
            : !strcmp(text, "torn")   ? TORN
            : !strcmp(text, "full")   ? FULL
                                      : NEVER;
    if ((text = getenv("SHIM_BROKEN")) != NULL) broken = text;
    links = getenv("SHIM_LINKS") != NULL;
}

static void write_down(int kind, uint64_t inode, uint64_t offset, const char *path, const char *to,
                       const void *data, size_t size)
{
    struct record record = {
        calls, inode, offset, (uint32_t)kind, (uint32_t)strlen(path), (uint32_t)strlen(to), (uint32_t)size};
    struct iovec parts[] = {{&record, sizeof record},
                            {(void *)path, record.path_length},
                            {(void *)to, record.to_length},
                            {(void *)data, size}};
    size_t whole = sizeof record + record.path_length + record.to_length + size;
    if (raw(SYS_writev, record_to, parts, 4) != (long)whole) _exit(122);
}

static void die(int kind, const char *path)
{
    write_down(KILLED, 0, (uint64_t)kind, path, "", NULL, 0);
    raw(SYS_kill, getpid(), SIGKILL);
    for (;;) raw(SYS_pause);
}

static int below(const char *path)
{
    return record_to >= 0 && path != NULL && strncmp(path, root, strlen(root)) == 0;
}

/* The whole path of a name in an open directory; other paths as they are. */
static const char *whole(int directory, const char *path, char place[PATH_MAX])
{
    char link[64];
    if (record_to < 0 || path == NULL || path[0] == '/' || directory == AT_FDCWD) return path;
    snprintf(link, sizeof link, "/proc/self/fd/%d", directory);
    long length = raw(SYS_readlinkat, AT_FDCWD, link, place, PATH_MAX - 1);
    if (length < 0 || (size_t)length + strlen(path) + 2 > PATH_MAX) return path;
    place[length] = '/';
    strcpy(place + length + 1, path);
    return place;
}

/* The path of an open file or directory below the root. */
static int is_ours(int fd, struct stat *found, char path[PATH_MAX])
{
    char link[64];
    if (record_to < 0 || fstat(fd, found) != 0 || !(S_ISREG(found->st_mode) || S_ISDIR(found->st_mode)))
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    long length = raw(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return below(path);
}

static int is_network(int fd)
{
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof address;
    if (record_to < 0 || fd < 0) return 0;
    int kept = errno;
    int inet = getsockname(fd, (struct sockaddr *)&address, &length) == 0
        && (address.ss_family == AF_INET || address.ss_family == AF_INET6);
    errno = kept;
    return inet;
}

static uint64_t inode_of(const char *path)
{
    struct stat found;
    return lstat(path, &found) == 0 ? found.st_ino : 0;
}

/* A call begins: nothing else changes anything until `leave`. Whether the disk is full. */
static int enter(int kind, const char *path)
{
    pthread_mutex_lock(&lock);
    calls++;
    if (how == BEFORE && calls == at) die(kind, path);
    return how == FULL && at != 0 && calls >= at;
}

static void leave(int kind, const char *path)
{
    if ((how == AFTER || how == TORN) && calls == at) die(kind, path);
    pthread_mutex_unlock(&lock);
}

/* How much of what is written reaches its place. */
static size_t share(size_t size)
{
    return how == TORN && calls == at ? size / 2 : size;
}

static int fails(int error)
{
    pthread_mutex_unlock(&lock);
    errno = error;
    return -1;
}

/* ---- writing ------------------------------------------------------------------------------------------- */

/* `offset` -1: where the file stands, which moves on. */
static ssize_t put(int fd, const void *data, size_t size, off64_t offset)
{
    struct stat found;
    char path[PATH_MAX];
    if (!is_ours(fd, &found, path)) {
        if (!is_network(fd))
            return offset < 0 ? raw(SYS_write, fd, data, size) : raw(SYS_pwrite64, fd, data, size, offset);
        enter(SEND, "");
        ssize_t went = raw(SYS_write, fd, data, share(size));
        sent = 1;
        write_down(SEND, 0, 0, "", "", NULL, 0);
        leave(SEND, "");
        return went;
    }
    if (enter(WRITE, path)) return fails(ENOSPC);
    off64_t place = offset;
    if (offset < 0) place = fcntl(fd, F_GETFL) & O_APPEND ? found.st_size : lseek64(fd, 0, SEEK_CUR);
    size = share(size);
    ssize_t went = offset < 0 ? raw(SYS_write, fd, data, size) : raw(SYS_pwrite64, fd, data, size, offset);
    int error = errno;
    if (went > 0) write_down(WRITE, found.st_ino, (uint64_t)place, path, "", data, (size_t)went);
    leave(WRITE, path);
    errno = error;
    return went;
}

ssize_t write(int fd, const void *data, size_t size)
{
    return put(fd, data, size, -1);
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
    return put(fd, data, size, offset);
}
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset)
{
    return put(fd, data, size, offset);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    struct stat found;
    char path[PATH_MAX];
    if (is_ours(fd, &found, path)) {
        /* A short write is what any caller has to expect. */
        for (int i = 0; i < count; i++)
            if (parts[i].iov_len > 0) return put(fd, parts[i].iov_base, parts[i].iov_len, -1);
        return 0;
    }
    if (!is_network(fd)) return raw(SYS_writev, fd, parts, count);
    enter(SEND, "");
    ssize_t went = how == TORN && calls == at && count > 0
        ? raw(SYS_write, fd, parts[0].iov_base, parts[0].iov_len / 2)
        : raw(SYS_writev, fd, parts, count);
    int error = errno;
    sent = 1;
    write_down(SEND, 0, 0, "", "", NULL, 0);
    leave(SEND, "");
    errno = error;
    return went;
}

static int truncate_to(int fd, off64_t length)
{
    struct stat found;
    char path[PATH_MAX];
    if (!is_ours(fd, &found, path)) return (int)raw(SYS_ftruncate, fd, length);
    if (enter(TRUNCATE, path) && length > found.st_size) return fails(ENOSPC);
    int done = (int)raw(SYS_ftruncate, fd, length);
    int error = errno;
    if (done == 0) write_down(TRUNCATE, found.st_ino, (uint64_t)length, path, "", NULL, 0);
    leave(TRUNCATE, path);
    errno = error;
    return done;
}

int ftruncate(int fd, off_t length)
{
    return truncate_to(fd, length);
}
int ftruncate64(int fd, off64_t length)
{
    return truncate_to(fd, length);
}

/* ---- syncing ------------------------------------------------------------------------------------------- */

static int ends(const char *path, const char *ending)
{
    size_t length = strlen(path), tail = strlen(ending);
    return length >= tail && strcmp(path + length - tail, ending) == 0;
}

/* Whether this sync answers OK and does nothing. */
static int is_swallowed(const char *path)
{
    if (strcmp(broken, "ledger") == 0) return !sent && ends(path, "-wal");
    return strcmp(broken, "part") == 0 && ends(path, ".part");
}

static int sync_it(int fd)
{
    struct stat found;
    char path[PATH_MAX];
    if (!is_ours(fd, &found, path)) return 0;
    int kind = S_ISDIR(found.st_mode) ? SYNC_DIRECTORY : SYNC;
    enter(kind, path);
    if (!is_swallowed(path)) write_down(kind, found.st_ino, 0, path, "", NULL, 0);
    leave(kind, path);
    return 0;
}

int fsync(int fd)
{
    return sync_it(fd);
}
int fdatasync(int fd)
{
    return sync_it(fd);
}

/* ---- names --------------------------------------------------------------------------------------------- */

static int open_it(int directory, const char *name, int flags, mode_t mode)
{
    char place[PATH_MAX];
    const char *path = whole(directory, name, place);
    if (!(flags & O_CREAT) || !below(path)) return (int)raw(SYS_openat, directory, name, flags, mode);
    uint64_t before = inode_of(path);
    if (before != 0) return (int)raw(SYS_openat, directory, name, flags, mode);
    if (enter(CREATE, path)) return fails(ENOSPC);
    int fd = (int)raw(SYS_openat, directory, name, flags, mode);
    int error = errno;
    if (fd >= 0) write_down(CREATE, inode_of(path), 0, path, "", NULL, 0);
    leave(CREATE, path);
    errno = error;
    return fd;
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
    if (!below(path)) return (int)raw(SYS_mkdirat, AT_FDCWD, path, mode);
    if (enter(MAKE_DIRECTORY, path)) return fails(ENOSPC);
    int done = (int)raw(SYS_mkdirat, AT_FDCWD, path, mode);
    int error = errno;
    if (done == 0) write_down(MAKE_DIRECTORY, inode_of(path), 0, path, "", NULL, 0);
    leave(MAKE_DIRECTORY, path);
    errno = error;
    return done;
}

static int move_it(int kind, int from_fd, const char *from, int to_fd, const char *to, long number,
                   unsigned flags)
{
    char from_place[PATH_MAX], to_place[PATH_MAX];
    from = whole(from_fd, from, from_place);
    to = whole(to_fd, to, to_place);
    if (from[0] != '/' || to[0] != '/') return (int)raw(number, from_fd, from, to_fd, to, flags);
    int ours = below(from) || below(to);
    if (ours && links && flags != 0) {
        errno = EINVAL;
        return -1;
    }
    if (ours) enter(kind, from);
    uint64_t inode = ours ? inode_of(from) : 0;
    int done = (int)(number == SYS_renameat2 ? raw(number, AT_FDCWD, from, AT_FDCWD, to, flags)
                                             : raw(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, flags));
    int error = errno;
    if (ours && done == 0) write_down(kind, inode, 0, from, to, NULL, 0);
    if (ours) leave(kind, from);
    errno = error;
    return done;
}

int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
    return move_it(flags & 2 ? EXCHANGE : RENAME, from_fd, from, to_fd, to, SYS_renameat2, flags);
}

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    return renameat2(from_fd, from, to_fd, to, 0);
}
int rename(const char *from, const char *to)
{
    return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
    return move_it(LINK, from_fd, from, to_fd, to, SYS_linkat, (unsigned)flags);
}

int link(const char *from, const char *to)
{
    return linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}

static int remove_it(int directory, const char *name, int flags)
{
    char place[PATH_MAX];
    const char *path = whole(directory, name, place);
    if (!below(path)) return (int)raw(SYS_unlinkat, directory, name, flags);
    enter(UNLINK, path);
    uint64_t inode = inode_of(path);
    int done = (int)raw(SYS_unlinkat, directory, path, flags);
    int error = errno;
    if (done == 0) write_down(UNLINK, inode, 0, path, "", NULL, 0);
    leave(UNLINK, path);
    errno = error;
    return done;
}

int unlink(const char *path)
{
    return remove_it(AT_FDCWD, path, 0);
}
int unlinkat(int directory, const char *path, int flags)
{
    return remove_it(directory, path, flags);
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

/* ---- the network --------------------------------------------------------------------------------------- */

int connect(int fd, const struct sockaddr *address, socklen_t length)
{
    if (!is_network(fd)) return (int)raw(SYS_connect, fd, address, length);
    enter(CONNECT, "");
    int done = (int)raw(SYS_connect, fd, address, length);
    int error = errno;
    write_down(CONNECT, 0, 0, "", "", NULL, 0);
    leave(CONNECT, "");
    errno = error;
    return done;
}

static ssize_t send_it(int fd, const void *data, size_t size, int flags, const struct sockaddr *to,
                       socklen_t length)
{
    if (!is_network(fd)) return raw(SYS_sendto, fd, data, size, flags, to, length);
    enter(SEND, "");
    ssize_t went = raw(SYS_sendto, fd, data, share(size), flags, to, length);
    int error = errno;
    sent = 1;
    write_down(SEND, 0, 0, "", "", NULL, 0);
    leave(SEND, "");
    errno = error;
    return went;
}

ssize_t send(int fd, const void *data, size_t size, int flags)
{
    return send_it(fd, data, size, flags, NULL, 0);
}

ssize_t sendto(int fd, const void *data, size_t size, int flags, const struct sockaddr *to, socklen_t length)
{
    return send_it(fd, data, size, flags, to, length);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    if (!is_network(fd)) return raw(SYS_sendmsg, fd, message, flags);
    enter(SEND, "");
    ssize_t went = raw(SYS_sendmsg, fd, message, flags);
    int error = errno;
    sent = 1;
    write_down(SEND, 0, 0, "", "", NULL, 0);
    leave(SEND, "");
    errno = error;
    return went;
}
