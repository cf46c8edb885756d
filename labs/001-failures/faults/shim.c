/* System calls that fail as they do on bad days, and a record of each of them.

   SHIM_TRACE names the file for the record; SHIM_FAULT says what happens:

     kill N      SIGKILL before call N (calls are counted from 0)
     cut N       SIGKILL in the middle of call N: half of a write has been done
     term N      SIGTERM in the middle of call N, which then reports the half that it did
     late N      SIGTERM in call N before it has done anything; it fails with EINTR
     eintr S     every third read, write or fsync fails with EINTR, at random (S is the seed)
     short S     reads and writes transfer fewer bytes than asked, at random
     both S      both of these
     full N      from call N on, no write succeeds: ENOSPC
     eio N       call N fails with EIO

   A record is a line `name a b c size`, `size` bytes and a newline (disk.py reads it). Only files that the program opens by
   its own calls are touched; pipes, terminals and signalfds are left alone. */
#define SHIM_ITSELF
#include "shim.h"

#define FILES 1024
#define SIGNALS 65
#define SHORT 200 /* bytes that a shortened call transfers at most */

enum { OTHER, FILE_FD };

static char known[FILES];            /* which descriptors are files opened by the program */
static int trace = -1;               /* the descriptor of the record */
static char fault[16] = "";          /* what happens … */
static unsigned long at_call;        /* … and when, or the seed */
static unsigned long calls;          /* counted calls so far */
static int interrupted;              /* the last call failed with EINTR: the next one does not */
static volatile sig_atomic_t in_handler;
static struct sigaction theirs[SIGNALS];

static int is(const char *name) { return strcmp(fault, name) == 0; }

__attribute__((constructor)) static void start(void) {
    const char *path = getenv("SHIM_TRACE"), *what = getenv("SHIM_FAULT");
    if (what) sscanf(what, "%15s %lu", fault, &at_call);
    if (path) trace = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (trace >= 0) {
        int high = fcntl(trace, F_DUPFD_CLOEXEC, 200);
        close(trace);
        trace = high;
    }
}

static void record(const char *name, long a, long long b, long c, const void *data, size_t size) {
    char line[128];
    int saved = errno, length = snprintf(line, sizeof line, "%s %ld %lld %ld %zu\n", name, a, b, c, size);
    struct iovec parts[3] = {{line, (size_t)length}, {(void *)data, size}, {"\n", 1}};
    if (trace >= 0 && writev(trace, parts, 3) < 0) _exit(121);
    errno = saved;
}

static void record_text(const char *name, long a, long b, const char *text) { record(name, a, b, 0, text, strlen(text)); }

static unsigned long chance(unsigned long below) {
    static unsigned long long state;
    if (!state) state = at_call * 2654435761ULL + 88172645463325252ULL;
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return (unsigned long)(state >> 11) % below;
}

static void die(void) {
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

static void terminate(void) {
    record("term", 0, 0, 0, "", 0);
    raise(SIGTERM);
}

/* Begin a call that is counted. Kills if its time has come; returns whether this is the call of the fault. */
static int begin(void) {
    int mine = at_call == calls++;
    if (mine && is("kill")) die();
    return mine;
}

/* For calls that do all or nothing: killed in the middle is killed before. */
static void begin_whole(void) {
    if (begin() && is("cut")) die();
}

/* Whether this call shall fail; sets errno. */
static int fails(int mine, int writes) {
    int random_eintr = (is("eintr") || is("both")) && !interrupted && chance(3) == 0;
    interrupted = 0;
    if (writes && is("full") && calls > at_call) return errno = ENOSPC, 1;
    if (mine && is("eio")) return errno = EIO, 1;
    if (mine && is("late")) terminate();
    if ((mine && is("late")) || random_eintr) return interrupted = 1, errno = EINTR, 1;
    return 0;
}

static size_t portion(size_t size, int mine) {
    if (mine && (is("cut") || is("term"))) return size > 1 ? size / 2 : size;
    if (size > 1 && (is("short") || is("both"))) return 1 + chance(size < SHORT ? size : SHORT);
    return size;
}

static int mine_now(int fd) { return fd >= 0 && fd < FILES && known[fd] == FILE_FD; }

/* Files */

static int unsynced(int flags) { return flags & ~(O_SYNC | O_DSYNC); } /* as with fsync: recorded, and not waited for */

static int opened(const char *path, int flags, int fd) {
    int saved = errno;
    if (fd >= 0 && fd < FILES) known[fd] = FILE_FD;
    if (fd >= 0) record_text("open", fd, flags, path);
    else record("none", 0, 0, 0, "open", 4);
    return errno = saved, fd;
}

int shim_open(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    int mode = flags & O_CREAT ? va_arg(rest, int) : 0;
    va_end(rest);
    begin_whole();
    return opened(path, flags, open(path, unsynced(flags), mode));
}

int shim_openat(int folder, const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    int mode = flags & O_CREAT ? va_arg(rest, int) : 0;
    va_end(rest);
    begin_whole();
    record("folder", folder == AT_FDCWD ? -1 : folder, 0, 0, "", 0);
    return opened(path, flags, openat(folder, path, unsynced(flags), mode));
}

int shim_creat(const char *path, mode_t mode) { return shim_open(path, O_WRONLY | O_CREAT | O_TRUNC, mode); }

int shim_mkstemp(char *pattern) {
    begin_whole();
    int fd = mkstemp(pattern);
    return opened(pattern, O_RDWR | O_CREAT | O_EXCL, fd);
}

int shim_close(int fd) {
    if (fd >= 0 && fd == trace) return errno = EBADF, -1;
    if (mine_now(fd)) known[fd] = OTHER;
    return close(fd);
}

int shim_fcntl(int fd, int command, ...) {
    va_list rest;
    va_start(rest, command);
    void *argument = va_arg(rest, void *);
    va_end(rest);
#ifdef F_FULLFSYNC
    if (command == F_FULLFSYNC) return shim_fsync(fd);
#endif
    if (mine_now(fd) && (command == F_DUPFD || command == F_DUPFD_CLOEXEC)) shim_unseen("fcntl(F_DUPFD)");
    return fcntl(fd, command, argument);
}

ssize_t shim_pread(int fd, void *buffer, size_t size, off_t at) {
    if (!mine_now(fd)) return at < 0 ? read(fd, buffer, size) : pread(fd, buffer, size, at);
    int mine = begin();
    if (mine && is("cut")) die();
    size_t part = portion(size, mine);
    int failed = fails(mine, 0);
    ssize_t got = failed ? -1 : at < 0 ? read(fd, buffer, part) : pread(fd, buffer, part, at);
    record("read", fd, at, (long)got, "", 0);
    if (mine && is("term")) terminate();
    return got;
}

ssize_t shim_read(int fd, void *buffer, size_t size) { return shim_pread(fd, buffer, size, -1); }

ssize_t shim_readv(int fd, const struct iovec *parts, int count) {
    for (int i = 0; i < count; i++)
        if (parts[i].iov_len > 0) return shim_read(fd, parts[i].iov_base, parts[i].iov_len);
    return 0;
}

/* Where the next write of a descriptor goes; -1 if it fails. */
static off_t place(int fd) {
    struct stat about;
    if (fcntl(fd, F_GETFL) & O_APPEND) return fstat(fd, &about) ? -1 : about.st_size;
    return lseek(fd, 0, SEEK_CUR);
}

ssize_t shim_pwrite(int fd, const void *data, size_t size, off_t at) {
    if (!mine_now(fd)) return at < 0 ? write(fd, data, size) : pwrite(fd, data, size, at);
    int mine = begin();
    size_t part = portion(size, mine);
    off_t where = at < 0 ? place(fd) : at;
    int failed = fails(mine, 1);
    ssize_t done = failed ? -1 : at < 0 ? write(fd, data, part) : pwrite(fd, data, part, at);
    record("write", fd, where, (long)done, data, done > 0 ? (size_t)done : 0);
    if (mine && is("cut")) die();
    if (mine && is("term")) terminate();
    return done;
}

ssize_t shim_write(int fd, const void *data, size_t size) { return shim_pwrite(fd, data, size, -1); }

ssize_t shim_writev(int fd, const struct iovec *parts, int count) {
    size_t size = 0;
    if (!mine_now(fd)) return writev(fd, parts, count);
    for (int i = 0; i < count; i++) size += parts[i].iov_len;
    char *whole = malloc(size + 1), *next = whole;
    if (!whole) return errno = ENOMEM, -1;
    for (int i = 0; i < count; next += parts[i].iov_len, i++) memcpy(next, parts[i].iov_base, parts[i].iov_len);
    ssize_t done = shim_write(fd, whole, size);
    free(whole);
    return done;
}

int shim_ftruncate(int fd, off_t length) {
    begin_whole();
    int done = ftruncate(fd, length);
    record(done ? "none" : "truncate", fd, length, 0, "", 0);
    return done;
}

int shim_truncate(const char *path, off_t length) {
    begin_whole();
    int done = truncate(path, length);
    record(done ? "none" : "truncate", -1, length, 0, path, strlen(path));
    return done;
}

/* What reaches the disk is worked out from the record; waiting for the real one would only take time. */
int shim_fsync(int fd) {
    struct stat about;
    if (fstat(fd, &about)) return -1;
    int mine = begin();
    if (mine && is("cut")) die();
    int failed = fails(mine, 0);
    record(failed ? "none" : "fsync", fd, 0, 0, failed ? "fsync" : "", failed ? 5 : 0);
    if (mine && is("term")) terminate();
    return failed ? -1 : 0;
}

int shim_fdatasync(int fd) { return shim_fsync(fd); }

void shim_sync(void) {
    begin_whole();
    record("fsync", -1, 0, 0, "", 0);
}

/* ext4 begins to write a file that replaces another one at once, and a disk is slow; nobody looks between these two steps. */
static void make_way(int one, const char *from, int other, const char *to) {
    struct stat source, target;
    if (fstatat(one, from, &source, AT_SYMLINK_NOFOLLOW) || fstatat(other, to, &target, AT_SYMLINK_NOFOLLOW)) return;
    if (S_ISREG(source.st_mode) && S_ISREG(target.st_mode) && source.st_ino != target.st_ino) unlinkat(other, to, 0);
}

int shim_renameat(int one, const char *from, int other, const char *to) {
    begin_whole();
    make_way(one, from, other, to);
    int done = renameat(one, from, other, to);
    char both[8192];
    int size = snprintf(both, sizeof both, "%s%c%s", from, 0, to);
    record(done ? "none" : "rename", one == AT_FDCWD ? -1 : one, other == AT_FDCWD ? -1 : other, 0, both, (size_t)size);
    return done;
}

int shim_rename(const char *from, const char *to) { return shim_renameat(AT_FDCWD, from, AT_FDCWD, to); }

int shim_unlink(const char *path) {
    begin_whole();
    int done = unlink(path);
    record_text(done ? "none" : "unlink", 0, 0, path);
    return done;
}

/* Ways past the record */

void shim_unseen(const char *name) {
    record_text("unseen", 0, 0, name);
}

static void stdio(const char *name, const char *mode) {
    char said[64];
    snprintf(said, sizeof said, "%s(…, \"%.8s\")", name, mode);
    if (mode[0] != 'r' || strchr(mode, '+')) shim_unseen(said);
}

FILE *shim_fopen(const char *path, const char *mode) {
    if (strncmp(path, "/dev/", 5) != 0) stdio("fopen", mode);
    return fopen(path, mode);
}

FILE *shim_freopen(const char *path, const char *mode, FILE *file) {
    if (path) stdio("freopen", mode);
    return freopen(path, mode, file);
}

FILE *shim_fdopen(int fd, const char *mode) {
    if (mine_now(fd)) stdio("fdopen", mode);
    return fdopen(fd, mode);
}

void *shim_mmap(void *at, size_t size, int rights, int flags, int fd, off_t offset) {
    if (mine_now(fd) && rights & PROT_WRITE && flags & MAP_SHARED) shim_unseen("mmap(…, PROT_WRITE, MAP_SHARED, …)");
    return mmap(at, size, rights, flags, fd, offset);
}

/* Signals */

void shim_unsafe(const char *name) {
    if (in_handler) record_text("unsafe", 0, 0, name);
}

static void handle(int number, siginfo_t *about, void *context) {
    struct sigaction *own = &theirs[number];
    int saved = in_handler;
    in_handler = 1;
    if (own->sa_flags & SA_SIGINFO) own->sa_sigaction(number, about, context);
    else own->sa_handler(number);
    in_handler = saved;
}

static int caught(const struct sigaction *action) {
    return action->sa_flags & SA_SIGINFO || (action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN);
}

int shim_sigaction(int number, const struct sigaction *now, struct sigaction *before) {
    struct sigaction real, old;
    if (number <= 0 || number >= SIGNALS) return sigaction(number, now, before);
    if (now) {
        real = *now;
        if (caught(now)) {
            real.sa_sigaction = handle;
            real.sa_flags |= SA_SIGINFO;
        }
    }
    struct sigaction mine = theirs[number];
    if (now) theirs[number] = *now;
    if (sigaction(number, now ? &real : NULL, &old)) return -1;
    if (before) *before = old.sa_flags & SA_SIGINFO && old.sa_sigaction == handle ? mine : old;
    return 0;
}

void (*shim_signal(int number, void (*handler)(int)))(int) {
    struct sigaction now, before;
    memset(&now, 0, sizeof now);
    now.sa_handler = handler;
    now.sa_flags = SA_RESTART;
    sigemptyset(&now.sa_mask);
    return shim_sigaction(number, &now, &before) ? SIG_ERR : before.sa_handler;
}
