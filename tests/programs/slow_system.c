/* Preloaded into a program: some calls wait until a test lets them go, the clocks jump when it says so, and
   one directory is on a network file system.

   GATES     a directory. As long as it has a file `sync`, `names` or `connect`, a sync of a file, name
             resolution or connect(2) waits. As long as it has a file `mkdir`, a mkdir(2) waits that failed
             since a directory above is missing. The one that waits makes a file of that name with the ending
             `.waits`. As long as it has a file `later`, it is a month later by the wall clock and the
             boot-time clock.
   The host service.test is this machine.
   FAR_ROOT  the directory that is on a network file system, without symbolic links */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

enum { NFS = 0x6969, MONTH = 30 * 24 * 3600 };

static void *next(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);
    if (found == NULL) _exit(120);
    return found;
}

/* Whether the test has made this file; its path. */
static int is_set(const char *name, char path[PATH_MAX])
{
    const char *gates = getenv("GATES");
    if (gates == NULL) return 0;
    snprintf(path, PATH_MAX, "%s/%s", gates, name);
    return access(path, F_OK) == 0;
}

static void pass(const char *gate)
{
    char shut[PATH_MAX], waits[PATH_MAX + 8];
    while (is_set(gate, shut)) {
        snprintf(waits, sizeof waits, "%s.waits", shut);
        close(open(waits, O_WRONLY | O_CREAT | O_CLOEXEC, 0666));
        usleep(1000);
    }
}

int fsync(int fd)
{
    pass("sync");
    return ((int (*)(int))next("fsync"))(fd);
}

int fdatasync(int fd)
{
    pass("sync");
    return ((int (*)(int))next("fdatasync"))(fd);
}

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
    typedef int resolve(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    pass("names");
    if (node != NULL && strcmp(node, "service.test") == 0) node = "localhost";
    return ((resolve *)next("getaddrinfo"))(node, service, hints, found);
}

int mkdir(const char *path, mode_t mode)
{
    int result = ((int (*)(const char *, mode_t))next("mkdir"))(path, mode);
    if (result != 0 && errno == ENOENT) {
        pass("mkdir");
        errno = ENOENT;
    }
    return result;
}

int connect(int fd, const struct sockaddr *address, socklen_t length)
{
    pass("connect");
    return ((int (*)(int, const struct sockaddr *, socklen_t))next("connect"))(fd, address, length);
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    char path[PATH_MAX];
    if (syscall(SYS_clock_gettime, clock, now) != 0) return -1;
    if ((clock == CLOCK_REALTIME || clock == CLOCK_BOOTTIME) && is_set("later", path)) now->tv_sec += MONTH;
    return 0;
}

static int is_far(const char *path)
{
    const char *root = getenv("FAR_ROOT");
    char real[PATH_MAX];
    if (root == NULL || realpath(path, real) == NULL) return 0;
    size_t length = strlen(root);
    return strncmp(real, root, length) == 0 && (real[length] == '/' || real[length] == 0);
}

int statfs64(const char *path, struct statfs64 *found)
{
    int result = ((int (*)(const char *, struct statfs64 *))next("statfs64"))(path, found);
    if (result == 0 && is_far(path)) found->f_type = NFS;
    return result;
}

int statfs(const char *path, struct statfs *found)
{
    int result = ((int (*)(const char *, struct statfs *))next("statfs"))(path, found);
    if (result == 0 && is_far(path)) found->f_type = NFS;
    return result;
}
