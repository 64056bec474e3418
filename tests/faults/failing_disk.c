/* A disk that fails: calls of the C library that touch one folder, as Python, DuckDB and Rust make
   them. Loaded before all others by LD_PRELOAD.

   fail_below() names the folder, and which of the calls from then on fails: the one after so many,
   or that one and all that come after it. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { READS = 1, WRITES = 2 };

static char folder[PATH_MAX];
static int which, number, is_lasting;
static atomic_long left = -1;
static atomic_long failed = 0;

void fail_below(const char *path, int calls, int error, long after, int lasting) {
    atomic_store(&left, -1);
    snprintf(folder, sizeof folder, "%s", path);
    which = calls, number = error, is_lasting = lasting;
    atomic_store(&failed, 0);
    atomic_store(&left, after);
}

long failures(void) { return atomic_load(&failed); }

static int fails(const char *path, int call) {
    size_t size = strlen(folder);
    if (atomic_load(&left) < 0 || !(which & call) || strncmp(path, folder, size)) return 0;
    if (path[size] != '/' && path[size] != 0) return 0;
    if (atomic_fetch_sub(&left, 1) > 0) return 0;
    if (is_lasting) atomic_store(&left, 0);
    atomic_fetch_add(&failed, 1);
    errno = number;
    return 1;
}

static int fails_at(int fd, int call) {
    char link[64], path[PATH_MAX];
    if (atomic_load(&left) < 0) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size < 0) return 0;
    path[size] = 0;
    return fails(path, call);
}

#define FAILING(type, name, is_failing, parameters, arguments)                                     \
    type name parameters {                                                                         \
        static __typeof__(&name) real;                                                             \
        if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name);                              \
        return is_failing ? -1 : real arguments;                                                   \
    }

FAILING(ssize_t, read, fails_at(fd, READS), (int fd, void *to, size_t n), (fd, to, n))
FAILING(ssize_t, pread, fails_at(fd, READS), (int fd, void *to, size_t n, off_t at), (fd, to, n, at))
FAILING(ssize_t, pread64, fails_at(fd, READS), (int fd, void *to, size_t n, off64_t at), (fd, to, n, at))
FAILING(int, lstat, fails(path, READS), (const char *path, struct stat *to), (path, to))
FAILING(ssize_t, write, fails_at(fd, WRITES), (int fd, const void *from, size_t n), (fd, from, n))
FAILING(ssize_t, pwrite, fails_at(fd, WRITES), (int fd, const void *from, size_t n, off_t at), (fd, from, n, at))
FAILING(ssize_t, pwrite64, fails_at(fd, WRITES), (int fd, const void *from, size_t n, off64_t at), (fd, from, n, at))
FAILING(ssize_t, writev, fails_at(fd, WRITES), (int fd, const struct iovec *from, int n), (fd, from, n))
FAILING(int, fsync, fails_at(fd, WRITES), (int fd), (fd))
FAILING(int, fdatasync, fails_at(fd, WRITES), (int fd), (fd))
FAILING(int, ftruncate, fails_at(fd, WRITES), (int fd, off_t n), (fd, n))
FAILING(int, rename, fails(to, WRITES), (const char *from, const char *to), (from, to))
FAILING(int, link, fails(to, WRITES), (const char *from, const char *to), (from, to))
FAILING(int, linkat, fails(to, WRITES), (int of, const char *from, int at, const char *to, int flags), (of, from, at, to, flags))
FAILING(int, unlink, fails(path, WRITES), (const char *path), (path))
FAILING(int, unlinkat, fails_at(fd, WRITES), (int fd, const char *path, int flags), (fd, path, flags))
FAILING(int, mkdir, fails(path, WRITES), (const char *path, mode_t mode), (path, mode))

#define OPENING(name)                                                                              \
    int name(const char *path, int flags, ...) {                                                   \
        static __typeof__(&name) real;                                                             \
        if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name);                              \
        va_list rest;                                                                              \
        va_start(rest, flags);                                                                     \
        int is_new = flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE;                          \
        mode_t mode = is_new ? va_arg(rest, mode_t) : 0;                                           \
        va_end(rest);                                                                              \
        return fails(path, is_new ? WRITES : READS) ? -1 : real(path, flags, mode);                \
    }

OPENING(open)
OPENING(open64)

/* One that fails has closed the file all the same. */
int close(int fd) {
    static __typeof__(&close) real;
    if (!real) real = (__typeof__(&close))dlsym(RTLD_NEXT, "close");
    int is_failing = fails_at(fd, (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY ? 0 : WRITES);
    int result = real(fd);
    if (is_failing) errno = number;
    return is_failing ? -1 : result;
}
