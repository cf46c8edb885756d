/* ingest INPUT OUTPUT STATE: copies the records of INPUT to OUTPUT, numbered; goes on where it was, however it ended. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BATCH 50     /* records between two checkpoints */
#define LONGEST 1000 /* bytes of a record */

static volatile sig_atomic_t stopping;

/* A handler may do next to nothing; it sets a flag, and the loop looks at it between two records. */
static void on_term(int number) {
    (void)number;
    stopping = 1;
}

static void die(const char *what) {
    fprintf(stderr, "ingest: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* System calls: EINTR is no failure, and less than all is no failure. */

static ssize_t read_some(int fd, char *buffer, size_t size) {
    ssize_t got;
    while ((got = read(fd, buffer, size)) < 0)
        if (errno != EINTR) die("read");
    return got;
}

static void write_all(int fd, const char *data, size_t size) {
    while (size > 0) {
        ssize_t done = write(fd, data, size);
        if (done < 0 && errno != EINTR) die("write");
        if (done < 0) continue;
        data += done;
        size -= (size_t)done;
    }
}

static void sync_file(int fd) {
    while (fsync(fd) < 0)
        if (errno != EINTR) die("fsync"); /* never try again after EIO: the kernel may have dropped the pages */
}

static int open_file(const char *path, int flags) {
    int fd;
    while ((fd = open(path, flags, 0644)) < 0 && errno == EINTR) {}
    return fd;
}

/* The checkpoint: how many records are in OUTPUT, where they end there, and where INPUT goes on. */

struct checkpoint {
    long long records, input, output;
};

static struct checkpoint load(const char *path) {
    struct checkpoint point = {0, 0, 0};
    char text[100] = "";
    size_t size = 0;
    ssize_t got;
    int fd = open_file(path, O_RDONLY);
    if (fd < 0 && errno == ENOENT) return point;
    if (fd < 0) die(path);
    while (size < sizeof text - 1 && (got = read_some(fd, text + size, sizeof text - 1 - size)) > 0) size += (size_t)got;
    close(fd);
    sscanf(text, "%lld %lld %lld", &point.records, &point.input, &point.output);
    return point;
}

/* First the records, then the checkpoint that speaks of them; it replaces the old one in a single step. */
static void save(const char *path, struct checkpoint point, int output) {
    char folder[4096], text[100];
    snprintf(folder, sizeof folder, "%s", path);
    int size = snprintf(text, sizeof text, "%lld %lld %lld\n", point.records, point.input, point.output);
    sync_file(output);
    int fd = open_file(path, O_WRONLY | O_CREAT | O_TRUNC);
    if (fd < 0) die(path);
    write_all(fd, text, (size_t)size);
    sync_file(fd);
    close(fd);
    if ((fd = open_file(dirname(folder), O_RDONLY)) < 0) die("the folder");
    sync_file(fd); /* the rename itself */
    close(fd);
}

/* INPUT, line by line */

struct reader {
    int fd;
    char buffer[65536];
    size_t start, end;
};

/* The length of the next line with its newline, which begins at *line; 0 at the end. */
static size_t next_line(struct reader *in, char **line) {
    for (;;) {
        char *from = in->buffer + in->start, *newline = memchr(from, '\n', in->end - in->start);
        if (newline) {
            *line = from;
            in->start += (size_t)(newline - from) + 1;
            return (size_t)(newline - from) + 1;
        }
        memmove(in->buffer, from, in->end - in->start);
        in->end -= in->start;
        in->start = 0;
        ssize_t got = read_some(in->fd, in->buffer + in->end, sizeof in->buffer - in->end);
        if (got == 0) return 0;
        in->end += (size_t)got;
    }
}

int main(int count, char **argument) {
    static struct reader in;
    char text[LONGEST + 32], *line;
    size_t length;
    struct sigaction action = {0};
    if (count != 4) {
        fprintf(stderr, "usage: ingest INPUT OUTPUT STATE\n");
        return 1;
    }
    action.sa_handler = on_term;
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGTERM, &action, NULL) < 0) die("sigaction");

    struct checkpoint point = load(argument[3]);
    int output = open_file(argument[2], O_WRONLY | O_CREAT);
    if ((in.fd = open_file(argument[1], O_RDONLY)) < 0) die(argument[1]);
    if (output < 0) die(argument[2]);
    if (lseek(in.fd, point.input, SEEK_SET) < 0 || lseek(output, point.output, SEEK_SET) < 0) die("lseek");
    if (ftruncate(output, point.output) < 0) die("ftruncate"); /* what came after the checkpoint is written again */

    while (!stopping && (length = next_line(&in, &line)) > 0) {
        int size = snprintf(text, sizeof text, "%lld\t", point.records + 1);
        memcpy(text + size, line, length);
        write_all(output, text, (size_t)size + length);
        point.records++;
        point.input += (long long)length;
        point.output += size + (long long)length;
        if (point.records % BATCH == 0) save(argument[3], point, output);
    }
    save(argument[3], point, output);
    return 0;
}
