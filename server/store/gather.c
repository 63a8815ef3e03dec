/* gather.c - see gather.h.
 *
 * SQLite writes a commit to the write-ahead log in pieces: for each page a header of 24 bytes, then the page.
 *
 *      SQLite   hhPPPPPPPP hhPPPPPPPP hhPPPPPPPP ... sync      2 writes a page
 *      here     |------------- gathered ----------|write|sync  1 write for 30 pages
 *
 * No write of these lies on a page of the page cache, so each costs the kernel two of them, and a commit of
 * four chunks took 70 calls. Here writes that follow one another in the log are gathered, and leave as one
 * when something else happens to the file: above all the sync, which SQLite asks for before it tells anybody
 * that the frames are there.
 *
 * Nothing that SQLite believes to be on disk is ever only in memory: it believes so after xSync, and xSync
 * here writes first and fails when that fails. Other connections look at a frame only after that sync, as
 * long as there is one: hence synchronous = FULL. One's own reads are preceded by the write. What is not
 * written when the process ends was never committed.
 *
 * Not done: the same for the pages that a checkpoint copies into the database. A checkpoint that does not
 * come to the end of the log does not sync them before it says that they are there, and looks at no error
 * then.
 *
 * One file is used by one connection, so by one thread at a time: no locks.
 */
#include "server/store/gather.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
    GATHER_BYTES = 127 << 10, /* SQLite's own files take fewer than 128 KiB at a time (os_unix.c) */
};

struct gather_file {
    sqlite3_file base;
    unsigned char *data; /* what is to be written; NULL: nothing ever was */
    int size;
    sqlite3_int64 offset; /* of data[0] in the file */
    sqlite3_file *real;   /* the system's file, right behind this */
};

static struct gather_file *gather_of(sqlite3_file *file) {
    return (struct gather_file *)file;
}

static sqlite3_file *real_of(sqlite3_file *file) {
    return gather_of(file)->real;
}

/* Writes what is gathered. It is gone afterwards in any case: a commit that fails is written anew. */
static int flush(sqlite3_file *file) {
    struct gather_file *gather = gather_of(file);
    int size = gather->size;
    gather->size = 0;
    return size == 0 ? SQLITE_OK
                     : gather->real->pMethods->xWrite(gather->real, gather->data, size, gather->offset);
}

static int gather_write(sqlite3_file *file, const void *data, int size, sqlite3_int64 offset) {
    struct gather_file *gather = gather_of(file);
    if (offset != gather->offset + gather->size || gather->size + size > GATHER_BYTES) {
        int code = flush(file);
        if (code != SQLITE_OK) {
            return code;
        }
    }
    if (gather->data == NULL) {
        gather->data = malloc(GATHER_BYTES);
    }
    if (gather->data == NULL || size > GATHER_BYTES) {
        return gather->real->pMethods->xWrite(gather->real, data, size, offset);
    }
    if (gather->size == 0) {
        gather->offset = offset;
    }
    memcpy(gather->data + gather->size, data, (size_t)size);
    gather->size += size;
    return SQLITE_OK;
}

/* ---- everything else comes after the write ---- */

#define AFTER_FLUSH(call)                                                                                    \
    int code = flush(file);                                                                                  \
    return code != SQLITE_OK ? code : (call)

static int gather_close(sqlite3_file *file) {
    free(gather_of(file)->data); /* what is in it is of a transaction that was given up */
    return real_of(file)->pMethods->xClose(real_of(file));
}

static int gather_read(sqlite3_file *file, void *data, int size, sqlite3_int64 offset) {
    AFTER_FLUSH(real_of(file)->pMethods->xRead(real_of(file), data, size, offset));
}

static int gather_truncate(sqlite3_file *file, sqlite3_int64 size) {
    AFTER_FLUSH(real_of(file)->pMethods->xTruncate(real_of(file), size));
}

static int gather_sync(sqlite3_file *file, int flags) {
    AFTER_FLUSH(real_of(file)->pMethods->xSync(real_of(file), flags));
}

static int gather_file_size(sqlite3_file *file, sqlite3_int64 *size) {
    AFTER_FLUSH(real_of(file)->pMethods->xFileSize(real_of(file), size));
}

/* ---- handed on as it is ---- */

static int gather_file_control(sqlite3_file *file, int operation, void *arg) {
    return real_of(file)->pMethods->xFileControl(real_of(file), operation, arg);
}

static int gather_lock(sqlite3_file *file, int lock) {
    return real_of(file)->pMethods->xLock(real_of(file), lock);
}

static int gather_unlock(sqlite3_file *file, int lock) {
    return real_of(file)->pMethods->xUnlock(real_of(file), lock);
}

static int gather_check_reserved(sqlite3_file *file, int *reserved) {
    return real_of(file)->pMethods->xCheckReservedLock(real_of(file), reserved);
}

static int gather_sector_size(sqlite3_file *file) {
    return real_of(file)->pMethods->xSectorSize(real_of(file));
}

static int gather_characteristics(sqlite3_file *file) {
    return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

/* Version 1: shared memory is the database file's, and nothing maps the log into memory. */
static const sqlite3_io_methods methods = {
    .iVersion = 1,
    .xClose = gather_close,
    .xRead = gather_read,
    .xWrite = gather_write,
    .xTruncate = gather_truncate,
    .xSync = gather_sync,
    .xFileSize = gather_file_size,
    .xLock = gather_lock,
    .xUnlock = gather_unlock,
    .xCheckReservedLock = gather_check_reserved,
    .xFileControl = gather_file_control,
    .xSectorSize = gather_sector_size,
    .xDeviceCharacteristics = gather_characteristics,
};

/* ---- the VFS ---- */

static sqlite3_vfs *system_vfs(sqlite3_vfs *vfs) {
    return vfs->pAppData;
}

/* The log; other files are the system's alone. */
static int gather_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out_flags) {
    struct gather_file *gather = gather_of(file);
    if (!(flags & SQLITE_OPEN_WAL)) {
        return system_vfs(vfs)->xOpen(system_vfs(vfs), name, file, flags, out_flags);
    }
    memset(gather, 0, sizeof *gather);
    gather->real = (sqlite3_file *)(gather + 1);
    int code = system_vfs(vfs)->xOpen(system_vfs(vfs), name, gather->real, flags, out_flags);
    gather->base.pMethods = gather->real->pMethods != NULL ? &methods : NULL;
    return code;
}

static sqlite3_vfs gather = {.zName = "tengen-gather"};
static const char *gather_name; /* NULL: not registered */

static void make_vfs(void) {
    sqlite3_vfs *system = sqlite3_vfs_find(NULL);
    if (system == NULL) {
        return;
    }
    gather = *system; /* what is copied asks for nothing of the struct: only opening has state */
    gather.pNext = NULL;
    gather.zName = "tengen-gather";
    gather.pAppData = system;
    gather.szOsFile = (int)sizeof(struct gather_file) + system->szOsFile;
    gather.xOpen = gather_open;
    if (sqlite3_vfs_register(&gather, 0) == SQLITE_OK) {
        gather_name = gather.zName;
    }
}

const char *gather_vfs(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_vfs);
    return gather_name;
}
