/* Another answer: OUTPUT is its own state. Each of its lines begins with a number; after a kill what follows the last newline is cut
   off, and as many records of INPUT are skipped as the last number says. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { BATCH = 25, BLOCK = 4096 };

static volatile sig_atomic_t stop;

static void on_term(int number) { stop = number; }

static void check(int ok, const char *what) {
    if (ok) return;
    perror(what);
    exit(2);
}

/* Everything that may be interrupted goes through this. */
#define AGAIN(result, call) \
    do {                    \
        (result) = (call);  \
    } while ((result) < 0 && errno == EINTR)

static void put(int fd, struct iovec *part, int parts) {
    while (parts > 0) {
        ssize_t done;
        AGAIN(done, writev(fd, part, parts));
        check(done >= 0, "writev");
        while (parts > 0 && (size_t)done >= part->iov_len) {
            done -= (ssize_t)part->iov_len;
            part++;
            parts--;
        }
        if (parts > 0) {
            part->iov_base = (char *)part->iov_base + done;
            part->iov_len -= (size_t)done;
        }
    }
}

static void make_durable(int fd) {
    int done;
    AGAIN(done, fdatasync(fd));
    check(done == 0, "fdatasync");
}

/* Cuts a torn line from the end; returns how many lines there are. */
static long recover(int fd) {
    char block[BLOCK];
    off_t at = 0, whole = 0;
    long lines = 0;
    ssize_t got;
    for (;;) {
        AGAIN(got, pread(fd, block, sizeof block, at));
        check(got >= 0, "pread");
        if (got == 0) break;
        for (ssize_t i = 0; i < got; i++)
            if (block[i] == '\n') {
                whole = at + i + 1;
                lines++;
            }
        at += got;
    }
    check(ftruncate(fd, whole) == 0, "ftruncate");
    check(lseek(fd, whole, SEEK_SET) == whole, "lseek");
    return lines;
}

int main(int argc, char *argv[]) {
    struct sigaction act;
    if (argc < 4) {
        fputs("usage: ingest INPUT OUTPUT STATE\n", stderr);
        return 64;
    }
    memset(&act, 0, sizeof act);
    act.sa_handler = on_term;
    act.sa_flags = SA_RESTART;
    check(sigaction(SIGTERM, &act, NULL) == 0, "sigaction");

    FILE *in = fopen(argv[1], "r"); /* reading by stdio is fine */
    check(in != NULL, argv[1]);
    int out = open(argv[2], O_RDWR | O_CREAT, 0666);
    check(out >= 0, argv[2]);
    long done = recover(out), number = 0;
    char *line = NULL, prefix[32];
    size_t room = 0;
    ssize_t length;
    while (!stop && (length = getline(&line, &room, in)) > 0) {
        if (++number <= done) continue;
        int digits = snprintf(prefix, sizeof prefix, "%ld\t", number);
        struct iovec parts[2] = {{prefix, (size_t)digits}, {line, (size_t)length}};
        put(out, parts, 2);
        if (number % BATCH == 0) make_durable(out);
    }
    check(!ferror(in), argv[1]);
    make_durable(out);
    free(line);
    fclose(in);
    return 0;
}
