#include "workers/agent/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <sodium.h>
#include "workers/agent/spool.h"

/* A lock of this process alone. (One of flock() would also be held by a runner that has just been forked and
 * has not become its program yet: an agent that is killed then could not be started again at once.) */
static int lock_alone(int fd) {
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    return fcntl(fd, F_SETLK, &whole);
}

int folder_open(const char *path, int *lock, struct problem *problem) {
    char file[4096];
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return problem_set(problem, TG_EIO, "data", "cannot make the folder %s: %s", path, strerror(errno));
    snprintf(file, sizeof file, "%s/lock", path);
    int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return problem_set(problem, TG_EIO, "data", "cannot write to the folder %s: %s", path,
                           strerror(errno));
    if (lock_alone(fd) < 0) {
        close(fd);
        return problem_set(problem, TG_EBUSY, "data",
                           "another tengen-worker uses the folder %s; give each one its own with --data",
                           path);
    }
    *lock = fd;
    return 0;
}

static int read_instance(const char *path, char instance[INSTANCE_HEX]) {
    char text[INSTANCE_HEX] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return TG_ENOT_FOUND;
    ssize_t n = read(fd, text, INSTANCE_HEX - 1);
    close(fd);
    if (n != INSTANCE_HEX - 1 || strspn(text, "0123456789abcdef") != INSTANCE_HEX - 1)
        return TG_ECORRUPT;
    memcpy(instance, text, INSTANCE_HEX);
    return 0;
}

int folder_instance(const char *path, char instance[INSTANCE_HEX], struct problem *problem) {
    char file[4096];
    uint8_t random[(INSTANCE_HEX - 1) / 2];
    snprintf(file, sizeof file, "%s/instance", path);
    if (read_instance(file, instance) == 0)
        return 0;
    randombytes_buf(random, sizeof random);
    sodium_bin2hex(instance, INSTANCE_HEX, random, sizeof random);
    return durable_write(path, "instance", instance, INSTANCE_HEX - 1, problem);
}
