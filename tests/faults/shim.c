/* Between a process and its C library: counts the calls that change files in one folder, and lets the n-th of them fail
 * or kill. Loaded by LD_PRELOAD, so that it sees what Python, PyTorch and HDF5 do alike. Does nothing until it is armed.
 *
 * With a trace it tells what a power cut at this moment could take back: what was written and named since the last fsync
 * of the file or its folder; see powercut.py.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { COUNT, KILL };

static int armed, what, lasting, trace = -1, torn = -1;
static long at, calls;
static char root[4096], shadows[4096];

/* Arms this process. `failure`: 0 count only, 1 kill, else 100 + errno. `persistent`: all calls from the n-th on fail. */
void faults_arm(const char *folder, long n, int failure, int persistent, int trace_to, const char *shadow_folder) {
    snprintf(root, sizeof root, "%s", folder);
    snprintf(shadows, sizeof shadows, "%s", shadow_folder);
    at = n, what = failure, lasting = persistent, trace = trace_to, calls = 0, torn = -1, armed = 1;
}

long faults_calls(void) { return calls; }


static int inside(const char *path) {
    size_t n = strlen(root);
    return strncmp(path, root, n) == 0 && (path[n] == '/' || path[n] == 0);
}

static int absolute(int folder, const char *path, char *out) {
    char base[4096];
    if (path[0] == '/') return snprintf(out, 4096, "%s", path), inside(out);
    if (folder == AT_FDCWD) {
        if (!getcwd(base, sizeof base)) return 0;
    } else {
        char link[64];
        snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
        ssize_t n = readlink(link, base, sizeof base - 1);
        if (n < 0) return 0;
        base[n] = 0;
    }
    return snprintf(out, 4096, "%s/%s", base, path), inside(out);
}

static int of_descriptor(int fd, char *out) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, out, 4095);
    if (n <= 0) return 0;
    out[n] = 0;
    return inside(out);
}

static void tell(const char *form, ...) {
    if (trace < 0) return;
    char line[9000];
    va_list rest;
    va_start(rest, form);
    int n = vsnprintf(line, sizeof line, form, rest);
    va_end(rest);
    syscall(SYS_write, trace, line, n);
}

/* Counts one call; the errno it must fail with, or 0. */
static int fails(void) {
    calls++;
    if (at <= 0 || calls < at || (calls > at && !lasting) || what == COUNT) return 0;
    if (what == KILL) kill(getpid(), SIGKILL);
    return what - 100;
}

/* A full disk takes no new bytes and names; it lets go of old ones. */
static int is_full(void) { return what == 100 + ENOSPC; }

static const char *shadow(const char *path) {
    static char kept[4200];
    if (trace < 0) return "-";
    snprintf(kept, sizeof kept, "%s/%ld", shadows, calls);
    return syscall(SYS_linkat, AT_FDCWD, path, AT_FDCWD, kept, 0) ? "-" : kept;
}

#define FAIL_IF(guard) \
    do { int code; if (armed && (guard) && (code = fails())) { errno = code; return -1; } } while (0)

static ssize_t put(int fd, const void *data, size_t size, off_t where, int has_place) {
    char path[4096];
    if (armed && of_descriptor(fd, path)) {
        struct stat now;
        if (torn == fd) { torn = -1; errno = what - 100; return -1; }
        fstat(fd, &now);
        if (calls + 1 == at && what == KILL && size > 1)  /* half of it arrives */
            has_place ? syscall(SYS_pwrite64, fd, data, size / 2, where) : syscall(SYS_write, fd, data, size / 2);
        if (calls + 1 == at && what == 100 + ENOSPC && size > 1 && !has_place) {  /* as a disk that fills up */
            calls++;
            if (!lasting) torn = fd;
            return syscall(SYS_write, fd, data, size / 2);
        }
        int code = fails();
        if (code) { errno = code; return -1; }
        tell("W\t%ld\t%ld\t%s\n", (long)now.st_ino, (long)now.st_size, path);
    }
    return has_place ? syscall(SYS_pwrite64, fd, data, size, where) : syscall(SYS_write, fd, data, size);
}

ssize_t write(int fd, const void *data, size_t size) { return put(fd, data, size, 0, 0); }
ssize_t pwrite(int fd, const void *data, size_t size, off_t where) { return put(fd, data, size, where, 1); }
ssize_t pwrite64(int fd, const void *data, size_t size, off_t where) { return put(fd, data, size, where, 1); }

ssize_t writev(int fd, const struct iovec *parts, int count) {
    char path[4096];
    FAIL_IF(of_descriptor(fd, path));
    return syscall(SYS_writev, fd, parts, count);
}

static int opened(int folder, const char *name, int flags, mode_t mode) {
    char path[4096];
    int ours = armed && (flags & (O_WRONLY | O_RDWR | O_CREAT)) && absolute(folder, name, path);
    struct stat before;
    int had = ours && stat(path, &before) == 0;
    if (ours) {
        int code = fails();
        if (code) { errno = code; return -1; }
    }
    int fd = syscall(SYS_openat, folder, name, flags, mode);
    if (ours && fd >= 0) {
        struct stat now;
        fstat(fd, &now);
        if (!had) tell("C\t%ld\t%s\n", (long)now.st_ino, path);
        else if (flags & O_TRUNC) tell("W\t%ld\t0\t%s\n", (long)now.st_ino, path);
    }
    return fd;
}

#include "opens.h"

static int sync_of(int fd, int number) {
    char path[4096];
    int ours = armed && of_descriptor(fd, path);
    FAIL_IF(ours);
    int done = syscall(number, fd);
    if (ours && done == 0) {
        struct stat now;
        fstat(fd, &now);
        if (S_ISDIR(now.st_mode)) tell("D\t%s\n", path);
        else tell("S\t%ld\t%s\n", (long)now.st_ino, path);
    }
    return done;
}

int fsync(int fd) { return sync_of(fd, SYS_fsync); }
int fdatasync(int fd) { return sync_of(fd, SYS_fdatasync); }

static int rename_at(int from, const char *old, int to, const char *new) {
    char source[4096], target[4096];
    int ours = armed && absolute(from, old, source);
    if (ours) absolute(to, new, target);
    FAIL_IF(ours);
    const char *kept = ours ? shadow(target) : "-";
    int done = syscall(SYS_renameat, from, old, to, new);
    if (ours && done == 0) tell("R\t%s\t%s\t%s\n", source, target, kept);
    return done;
}

int rename(const char *old, const char *new) { return rename_at(AT_FDCWD, old, AT_FDCWD, new); }
int renameat(int from, const char *old, int to, const char *new) { return rename_at(from, old, to, new); }

static int unlink_at(int folder, const char *name, int flags) {
    char path[4096];
    int ours = armed && absolute(folder, name, path);
    FAIL_IF(ours && !is_full());
    const char *kept = ours && !(flags & AT_REMOVEDIR) ? shadow(path) : "-";
    int done = syscall(SYS_unlinkat, folder, name, flags);
    if (ours && done == 0 && !(flags & AT_REMOVEDIR)) tell("U\t%s\t%s\n", path, kept);
    return done;
}

int unlink(const char *name) { return unlink_at(AT_FDCWD, name, 0); }
int unlinkat(int folder, const char *name, int flags) { return unlink_at(folder, name, flags); }
int rmdir(const char *name) { return unlink_at(AT_FDCWD, name, AT_REMOVEDIR); }

static int mkdir_at(int folder, const char *name, mode_t mode) {
    char path[4096];
    FAIL_IF(absolute(folder, name, path));
    return syscall(SYS_mkdirat, folder, name, mode);
}

int mkdir(const char *name, mode_t mode) { return mkdir_at(AT_FDCWD, name, mode); }
int mkdirat(int folder, const char *name, mode_t mode) { return mkdir_at(folder, name, mode); }

static int cut(int fd, off_t size) {
    char path[4096];
    int ours = armed && of_descriptor(fd, path);
    FAIL_IF(ours && !is_full());
    struct stat now;
    fstat(fd, &now);
    if (ours) tell("W\t%ld\t%ld\t%s\n", (long)now.st_ino, (long)(size < now.st_size ? size : now.st_size), path);
    return syscall(SYS_ftruncate, fd, size);
}

int ftruncate(int fd, off_t size) { return cut(fd, size); }
int ftruncate64(int fd, off_t size) { return cut(fd, size); }

int flock(int fd, int operation) {
    char path[4096];
    FAIL_IF(of_descriptor(fd, path) && !is_full());
    return syscall(SYS_flock, fd, operation);
}
