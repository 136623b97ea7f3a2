/* A service to be supervised: says when its first instruction ran, becomes ready, then waits for its end.
 *
 *   child MARKS NAME [DELAY_MS READY [NEEDS]]
 *
 * MARKS  fifo that gets one line per event: "<kind> <CLOCK_MONOTONIC ns> <pid> <name>", where kind is
 *        s (started), r (ready), e (started before the file NEEDS existed: order was broken)
 * READY  file that appears DELAY_MS after the start
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static long long now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void mark(int marks, char kind, long long at, const char *name) {
    char line[256];
    int length = snprintf(line, sizeof line, "%c %lld %d %s\n", kind, at, (int)getpid(), name);
    if (write(marks, line, (size_t)length) != length) _exit(3);
}

int main(int argc, char **argv) {
    long long born = now_ns();
    if (argc < 3) return 2;
    /* O_RDWR: opening never waits for the reader, and never fails when it is gone. */
    int marks = open(argv[1], O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (marks < 0) return 3;
    mark(marks, 's', born, argv[2]);
    if (argc > 5 && access(argv[5], F_OK) != 0) mark(marks, 'e', now_ns(), argv[2]);
    if (argc > 4) {
        long delay_ms = atol(argv[3]);
        unlink(argv[4]);
        usleep((useconds_t)delay_ms * 1000);
        int ready = open(argv[4], O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        if (ready < 0) return 3;
        mark(marks, 'r', now_ns(), argv[2]);
    }
    for (;;) pause();
}
