/* Between a process and its C library: lets the n-th reading, the n-th opening of one file, or the n-th write below a
 * folder fail. Loaded by LD_PRELOAD.
 * What is mapped into memory is not seen: there, the system ends the process. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static char file[4096];
static long at, calls;
static int code, kind;

enum { READ, OPEN, WRITE };

/* `n`: which call, from 1; 0 disarms. `what`: the errno. `which`: READ or OPEN of the file `path`, or WRITE below it. */
void bad_disk_arm(const char *path, long n, int what, int which) {
    snprintf(file, sizeof file, "%s", path);
    at = n, calls = 0, code = what, kind = which;
}

long bad_disk_calls(void) { return calls; }

static int fails(int fd, int which) {
    char link[64], path[4096];
    if (!at || which != kind) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n <= 0) return 0;
    path[n] = 0;
    int is_it = which == WRITE ? strncmp(path, file, strlen(file)) == 0 : strcmp(path, file) == 0;
    return is_it && ++calls == at;
}

#define FAIL_IF(fd, which) do { if (fails(fd, which)) { errno = code; return -1; } } while (0)

ssize_t read(int fd, void *data, size_t size) { FAIL_IF(fd, READ); return syscall(SYS_read, fd, data, size); }
ssize_t pread(int fd, void *data, size_t size, off_t where) { FAIL_IF(fd, READ); return syscall(SYS_pread64, fd, data, size, where); }
ssize_t pread64(int fd, void *data, size_t size, off_t where) { FAIL_IF(fd, READ); return syscall(SYS_pread64, fd, data, size, where); }
ssize_t readv(int fd, const struct iovec *parts, int count) { FAIL_IF(fd, READ); return syscall(SYS_readv, fd, parts, count); }

ssize_t write(int fd, const void *data, size_t size) { FAIL_IF(fd, WRITE); return syscall(SYS_write, fd, data, size); }
ssize_t pwrite(int fd, const void *data, size_t size, off_t where) { FAIL_IF(fd, WRITE); return syscall(SYS_pwrite64, fd, data, size, where); }
ssize_t pwrite64(int fd, const void *data, size_t size, off_t where) { FAIL_IF(fd, WRITE); return syscall(SYS_pwrite64, fd, data, size, where); }
ssize_t writev(int fd, const struct iovec *parts, int count) { FAIL_IF(fd, WRITE); return syscall(SYS_writev, fd, parts, count); }
int fsync(int fd) { FAIL_IF(fd, WRITE); return syscall(SYS_fsync, fd); }
int fdatasync(int fd) { FAIL_IF(fd, WRITE); return syscall(SYS_fdatasync, fd); }
int ftruncate(int fd, off_t size) { FAIL_IF(fd, WRITE); return syscall(SYS_ftruncate, fd, size); }
int ftruncate64(int fd, off_t size) { FAIL_IF(fd, WRITE); return syscall(SYS_ftruncate, fd, size); }

static int opened(int folder, const char *name, int flags, mode_t mode) {
    int fd = syscall(SYS_openat, folder, name, flags, mode);
    if (fd >= 0 && (fails(fd, OPEN) || ((flags & O_CREAT) && fails(fd, WRITE)))) {
        syscall(SYS_close, fd);
        if (kind == WRITE) syscall(SYS_unlinkat, folder, name, 0);
        errno = code;
        return -1;
    }
    return fd;
}

#include "opens.h"
