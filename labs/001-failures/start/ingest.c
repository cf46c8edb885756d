/* ingest INPUT OUTPUT STATE: copies the records of INPUT to OUTPUT, numbered.

   It works on a good day. A signal, a kill or a full disk leaves a mess, and it does not notice. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LONGEST 1000 /* bytes of a record */

int main(int count, char **argument) {
    char byte, record[LONGEST + 1], text[LONGEST + 32];
    size_t length = 0;
    long long number = 0;
    if (count != 4) {
        fprintf(stderr, "usage: ingest INPUT OUTPUT STATE\n");
        return 1;
    }
    int input = open(argument[1], O_RDONLY);
    int output = open(argument[2], O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (input < 0 || output < 0) {
        perror("ingest");
        return 1;
    }
    while (read(input, &byte, 1) == 1) {
        record[length++] = byte;
        if (byte != '\n') continue;
        int size = snprintf(text, sizeof text, "%lld\t", ++number);
        memcpy(text + size, record, length);
        write(output, text, size + length);
        length = 0;
    }
    return 0;
}
