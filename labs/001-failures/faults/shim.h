/* Put before a program in C (cc -include shim.h) so that its system calls go through shim.c, which makes them fail.

   The headers come first, so that only the program's own calls are renamed. Names that are also words of C headers (struct sigaction,
   format(printf, …)) are macros with arguments. */
#ifndef SHIM_H
#define SHIM_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <syslog.h>
#include <unistd.h>
#ifdef __linux__
#include <malloc.h>
#include <sys/sendfile.h>
#endif

int shim_open(const char *path, int flags, ...);
int shim_openat(int folder, const char *path, int flags, ...);
int shim_creat(const char *path, mode_t mode);
int shim_mkstemp(char *pattern);
int shim_close(int fd);
ssize_t shim_read(int fd, void *buffer, size_t size);
ssize_t shim_pread(int fd, void *buffer, size_t size, off_t at);
ssize_t shim_readv(int fd, const struct iovec *parts, int count);
ssize_t shim_write(int fd, const void *data, size_t size);
ssize_t shim_pwrite(int fd, const void *data, size_t size, off_t at);
ssize_t shim_writev(int fd, const struct iovec *parts, int count);
int shim_ftruncate(int fd, off_t length);
int shim_truncate(const char *path, off_t length);
int shim_fsync(int fd);
int shim_fdatasync(int fd);
void shim_sync(void);
int shim_fcntl(int fd, int command, ...);
int shim_rename(const char *from, const char *to);
int shim_renameat(int one, const char *from, int other, const char *to);
int shim_unlink(const char *path);
int shim_sigaction(int number, const struct sigaction *now, struct sigaction *before);
void (*shim_signal(int number, void (*handler)(int)))(int);
FILE *shim_fopen(const char *path, const char *mode);
FILE *shim_freopen(const char *path, const char *mode, FILE *file);
FILE *shim_fdopen(int fd, const char *mode);
void *shim_mmap(void *at, size_t size, int rights, int flags, int fd, off_t offset);
void shim_unsafe(const char *name); /* remembers `name` if a signal handler called it */
void shim_unseen(const char *name); /* remembers a call whose effect on files cannot be followed */

#ifndef SHIM_ITSELF
#define open shim_open
#define openat shim_openat
#define creat shim_creat
#define mkstemp shim_mkstemp
#define close shim_close
#define read shim_read
#define pread shim_pread
#define readv shim_readv
#define write shim_write
#define pwrite shim_pwrite
#define writev shim_writev
#define ftruncate shim_ftruncate
#define truncate shim_truncate
#define fsync shim_fsync
#define fdatasync shim_fdatasync
#define sync() shim_sync()
#define fcntl shim_fcntl
#define rename shim_rename
#define renameat shim_renameat
#define unlink shim_unlink
#define remove shim_unlink
#define sigaction(...) shim_sigaction(__VA_ARGS__)
#define signal(...) shim_signal(__VA_ARGS__)
#define fopen(...) (shim_unsafe("fopen"), shim_fopen(__VA_ARGS__))
#define freopen(...) (shim_unsafe("freopen"), shim_freopen(__VA_ARGS__))
#define fdopen(...) (shim_unsafe("fdopen"), shim_fdopen(__VA_ARGS__))
#define mmap(...) shim_mmap(__VA_ARGS__)
#define dprintf(...) (shim_unseen("dprintf"), dprintf(__VA_ARGS__))
#define sendfile(...) (shim_unseen("sendfile"), sendfile(__VA_ARGS__))
#define copy_file_range(...) (shim_unseen("copy_file_range"), copy_file_range(__VA_ARGS__))
#define splice(...) (shim_unseen("splice"), splice(__VA_ARGS__))
#define pwritev(...) (shim_unseen("pwritev"), pwritev(__VA_ARGS__))
#define renameat2(...) (shim_unseen("renameat2"), renameat2(__VA_ARGS__))
#define link(...) (shim_unseen("link"), link(__VA_ARGS__))
#define system(...) (shim_unseen("system"), system(__VA_ARGS__))
#define fork(...) (shim_unseen("fork"), fork(__VA_ARGS__))
#define syscall(...) (shim_unseen("syscall"), syscall(__VA_ARGS__))

/* Some systems' headers have macros of these names. */
#undef printf
#undef fprintf
#undef vprintf
#undef vfprintf
#undef sprintf
#undef snprintf
#undef fputc

/* Not async-signal-safe (POSIX, "Signal Concepts"): a handler may not call them. */
#define printf(...) (shim_unsafe("printf"), printf(__VA_ARGS__))
#define fprintf(...) (shim_unsafe("fprintf"), fprintf(__VA_ARGS__))
#define vprintf(...) (shim_unsafe("vprintf"), vprintf(__VA_ARGS__))
#define vfprintf(...) (shim_unsafe("vfprintf"), vfprintf(__VA_ARGS__))
#define sprintf(...) (shim_unsafe("sprintf"), sprintf(__VA_ARGS__))
#define snprintf(...) (shim_unsafe("snprintf"), snprintf(__VA_ARGS__))
#define puts(...) (shim_unsafe("puts"), puts(__VA_ARGS__))
#define fputs(...) (shim_unsafe("fputs"), fputs(__VA_ARGS__))
#define fputc(...) (shim_unsafe("fputc"), fputc(__VA_ARGS__))
#define fwrite(...) (shim_unsafe("fwrite"), fwrite(__VA_ARGS__))
#define fflush(...) (shim_unsafe("fflush"), fflush(__VA_ARGS__))
#define fclose(...) (shim_unsafe("fclose"), fclose(__VA_ARGS__))
#define perror(...) (shim_unsafe("perror"), perror(__VA_ARGS__))
#define strerror(...) (shim_unsafe("strerror"), strerror(__VA_ARGS__))
#define syslog(...) (shim_unsafe("syslog"), syslog(__VA_ARGS__))
#define malloc(...) (shim_unsafe("malloc"), malloc(__VA_ARGS__))
#define calloc(...) (shim_unsafe("calloc"), calloc(__VA_ARGS__))
#define realloc(...) (shim_unsafe("realloc"), realloc(__VA_ARGS__))
#define free(...) (shim_unsafe("free"), free(__VA_ARGS__))
#define exit(...) (shim_unsafe("exit"), exit(__VA_ARGS__))
#endif
#endif
