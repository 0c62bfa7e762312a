/* A program that leaks sockets in ways that a stack can tell apart. It obeys orders on stdin, one a line, and answers each on stdout:
 *   upload N    accept N connections and forget them
 *   download N  the same from another place
 *   dial PORT N connect N times to 127.0.0.1:PORT and forget them
 *   jit N       as upload, called by code that is written at run time
 *   leave       exit; a child keeps everything open until stdin ends
 * The first line that it prints is the port on which it listens. */
#define _GNU_SOURCE /* accept4 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* Each stays a function of its own, and has something to do after its call. */
#define APART __attribute__((noinline, noclone))

static volatile int leaked;

APART static void leak_upload(int listener) {
    leaked = accept(listener, NULL, NULL);
    if (leaked < 0) perror("accept");
}

APART static void leak_download(int listener) {
    leaked = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (leaked < 0) perror("accept4");
}

APART static void leak_dial(int port) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    leaked = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(leaked, (struct sockaddr *)&to, sizeof to)) perror("connect");
}

static int jit_listener;

APART static void leak_jit(void) {
    leak_upload(jit_listener);
    leaked = -leaked;
}

APART static void through_jit(int listener) {
    /* push %rbp; mov %rsp,%rbp; call *%rdi; pop %rbp; ret */
    static const unsigned char code[] = {0x55, 0x48, 0x89, 0xe5, 0xff, 0xd7, 0x5d, 0xc3};
    jit_listener = listener;
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(page, code, sizeof code);
    mprotect(page, 4096, PROT_READ | PROT_EXEC);
    ((void (*)(void (*)(void)))page)(leak_jit);
    leaked = -leaked;
}

APART static int obey(const char *line, int listener) {
    int port, count;
    if (sscanf(line, "upload %d", &count) == 1) {
        while (count--) leak_upload(listener);
    } else if (sscanf(line, "download %d", &count) == 1) {
        while (count--) leak_download(listener);
    } else if (sscanf(line, "jit %d", &count) == 1) {
        while (count--) through_jit(listener);
    } else if (sscanf(line, "dial %d %d", &port, &count) == 2) {
        while (count--) leak_dial(port);
    } else if (strcmp(line, "leave\n")) {
        return -1;
    }
    return 0;
}

int main(void) {
    struct sockaddr_in any = {.sin_family = AF_INET};
    socklen_t size = sizeof any;
    any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&any, sizeof any) || listen(listener, 128)) return 1;
    if (getsockname(listener, (struct sockaddr *)&any, &size)) return 1;
    printf("%d\n", ntohs(any.sin_port));
    fflush(stdout);
    char line[64];
    while (fgets(line, sizeof line, stdin)) {
        if (!strcmp(line, "leave\n") && fork()) _exit(0);
        puts(obey(line, listener) ? "what?" : "done");
        fflush(stdout);
    }
    return 0;
}
