/* Preloaded into a program: some calls wait until a test lets them go, and one directory is on a network file system.

   GATES     a directory. As long as it has a file `sync`, a sync of a file waits; as long as it has a file `names`, name
             resolution waits. The one that waits makes a file `sync.waits` or `names.waits`.
   FAR_ROOT  the directory that is on a network file system, without symbolic links */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { NFS = 0x6969 };

static void *next(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);
    if (found == NULL) _exit(120);
    return found;
}

static void pass(const char *gate)
{
    const char *gates = getenv("GATES");
    char shut[PATH_MAX], waits[PATH_MAX + 8];
    if (gates == NULL) return;
    snprintf(shut, sizeof shut, "%s/%s", gates, gate);
    snprintf(waits, sizeof waits, "%s.waits", shut);
    while (access(shut, F_OK) == 0) {
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
    return ((resolve *)next("getaddrinfo"))(node, service, hints, found);
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
