/* Another answer: no handler at all. SIGTERM stays blocked, and the program asks between two batches whether it has come. The state is a
   journal: a line is appended for each batch, and the last whole line counts. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define BATCH 40
#define ENTRY 64 /* bytes of a line of the journal */

typedef struct {
    uint64_t number;
    off_t in, out;
} Position;

static _Noreturn void give_up(const char *call) {
    fprintf(stderr, "%s failed: %s\n", call, strerror(errno));
    exit(EXIT_FAILURE);
}

static bool asked_to_stop(void) {
    sigset_t waiting;
    return sigpending(&waiting) == 0 && sigismember(&waiting, SIGTERM);
}

static void write_at(int fd, const void *data, size_t size, off_t at) {
    const char *next = data;
    for (ssize_t n; size > 0; next += n, at += n, size -= (size_t)n) {
        n = pwrite(fd, next, size, at);
        if (n < 0 && errno != EINTR) give_up("pwrite");
        if (n < 0) n = 0;
    }
}

static void flush(int fd) {
    for (;;) {
        if (fsync(fd) == 0) return;
        if (errno != EINTR) give_up("fsync");
    }
}

/* The last whole entry, if there is one; *end is where the next belongs. */
static Position last_entry(int fd, off_t *end) {
    Position found = {0, 0, 0};
    char entry[ENTRY + 1];
    *end = 0;
    for (;;) {
        size_t have = 0;
        while (have < ENTRY) {
            ssize_t n = pread(fd, entry + have, ENTRY - have, *end + (off_t)have);
            if (n < 0 && errno != EINTR) give_up("pread");
            if (n == 0) return found;
            if (n > 0) have += (size_t)n;
        }
        entry[ENTRY] = '\0';
        intmax_t in, out;
        uint64_t number;
        if (sscanf(entry, "%" SCNu64 " %jd %jd", &number, &in, &out) != 3 || entry[ENTRY - 1] != '\n') return found;
        found = (Position){number, (off_t)in, (off_t)out};
        *end += ENTRY;
    }
}

int main(int argc, char **argv) {
    if (argc != 4) return EXIT_FAILURE;
    sigset_t term;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigprocmask(SIG_BLOCK, &term, NULL);

    int in = open(argv[1], O_RDONLY), out = open(argv[2], O_RDWR | O_CREAT, 0644), journal = open(argv[3], O_RDWR | O_CREAT, 0644);
    if (in < 0 || out < 0 || journal < 0) give_up("open");
    struct stat about;
    if (fstat(in, &about)) give_up("fstat");
    size_t size = (size_t)about.st_size;
    const char *input = size ? mmap(NULL, size, PROT_READ, MAP_PRIVATE, in, 0) : "";
    if (input == MAP_FAILED) give_up("mmap");

    off_t end;
    Position at = last_entry(journal, &end);
    if (ftruncate(out, at.out) || ftruncate(journal, end)) give_up("ftruncate");
    static char batch[BATCH * 1100];
    while ((size_t)at.in < size && !asked_to_stop()) {
        size_t filled = 0;
        for (int i = 0; i < BATCH && (size_t)at.in < size; i++) {
            const char *record = input + at.in, *newline = memchr(record, '\n', size - (size_t)at.in);
            if (!newline) break;
            size_t length = (size_t)(newline - record) + 1;
            filled += (size_t)sprintf(batch + filled, "%" PRIu64 "\t", ++at.number);
            memcpy(batch + filled, record, length);
            filled += length;
            at.in += (off_t)length;
        }
        write_at(out, batch, filled, at.out);
        at.out += (off_t)filled;
        flush(out);
        char entry[ENTRY + 1];
        snprintf(entry, sizeof entry, "%-20" PRIu64 " %-20jd %-21jd\n", at.number, (intmax_t)at.in, (intmax_t)at.out);
        write_at(journal, entry, ENTRY, end);
        flush(journal);
        end += ENTRY;
    }
    return EXIT_SUCCESS;
}
