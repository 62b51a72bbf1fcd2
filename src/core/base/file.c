/* SPDX-License-Identifier: MIT */
/* Whole files, read and written: for graphs, and for components that write results.
 *
 * The new file lies in the folder of the old one, because a rename works within one file system
 * only; its name holds the process id and a counter, and O_EXCL makes a clash an error instead of
 * an overwrite. It gets the mode of the file that it replaces. The folder is synced after the rename,
 * so that the name survives a power cut as well. Nothing is locked: of two writers the last wins. */
#include "core/base/file.h"
#include "core/base/diag.h"
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static rf_err report(rf_diag *diag, const char *path, const char *verb, int error)
{
    char reason[128];
    return rfi_diag_at(diag, RF_ESYS, path, 0, 0, "cannot %s \"%s\": %s", verb, path,
                       strerror_r(error, reason, sizeof reason));
}

/* Sync the folder that holds `path`. A file system that cannot sync folders is no failure. */
static void sync_folder_of(const char *path)
{
    char *folder = strdup(path);
    if (folder == NULL)
        return;
    char *slash = strrchr(folder, '/');
    if (slash != NULL)
        slash[slash == folder ? 1 : 0] = '\0';
    int fd = open(slash != NULL ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(folder);
    if (fd < 0)
        return;
    (void)fsync(fd);
    (void)close(fd);
}

static char *temp_path_of(const char *path)
{
    static _Atomic unsigned counter;
    /* relaxed: only uniqueness matters */
    unsigned number = atomic_fetch_add_explicit(&counter, 1, memory_order_relaxed);
    char *temp = NULL;
    if (asprintf(&temp, "%s.%ld.%u.tmp", path, (long)getpid(), number) < 0)
        return NULL;
    return temp;
}

rf_err rfi_new_file_open(struct rfi_new_file *file, const char *path, rf_diag *out_diag)
{
    struct stat status;
    bool is_there = stat(path, &status) == 0;
    bool is_direct = is_there && !S_ISREG(status.st_mode);
    if (is_there && S_ISDIR(status.st_mode))
        return report(out_diag, path, "write", EISDIR);

    struct rfi_new_file made = {-1, strdup(path), NULL};
    if (made.path == NULL)
        return rfi_diag_set(out_diag, RF_ENOMEM, "%s", rf_err_text(RF_ENOMEM));
    if (is_direct) {
        /* O_NONBLOCK: a pipe that nobody reads is an error rather than a wait. */
        made.fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (made.fd >= 0)
            (void)fcntl(made.fd, F_SETFL, 0);
    } else {
        made.temp_path = temp_path_of(path);
        if (made.temp_path != NULL)
            made.fd = open(made.temp_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    }
    int error = errno;
    if (made.fd < 0) {
        free(made.path);
        free(made.temp_path);
        return report(out_diag, path, "write", error);
    }
    if (is_there && !is_direct)
        (void)fchmod(made.fd, status.st_mode & 07777);
    *file = made;
    return RF_OK;
}

rf_err rfi_new_file_write(struct rfi_new_file *file, const void *data, size_t size,
                          rf_diag *out_diag)
{
    const char *at = data;
    while (size > 0) {
        ssize_t written = write(file->fd, at, size);
        if (written < 0) {
            int error = errno;
            if (error == EINTR)
                continue;
            return report(out_diag, file->path, "write", error);
        }
        at += written;
        size -= (size_t)written;
    }
    return RF_OK;
}

rf_err rfi_new_file_commit(struct rfi_new_file *file, rf_diag *out_diag)
{
    int error = 0;
    if (file->temp_path != NULL) {
        if (fsync(file->fd) != 0 || rename(file->temp_path, file->path) != 0)
            error = errno;
        else
            sync_folder_of(file->path);
    }
    rf_err err = error == 0 ? RF_OK : report(out_diag, file->path, "write", error);
    if (error == 0) {
        free(file->temp_path);
        file->temp_path = NULL;
    }
    rfi_new_file_discard(file);
    return err;
}

void rfi_new_file_discard(struct rfi_new_file *file)
{
    if (file->fd >= 0)
        (void)close(file->fd);
    if (file->temp_path != NULL)
        (void)unlink(file->temp_path);
    free(file->temp_path);
    free(file->path);
    *file = (struct rfi_new_file){-1, NULL, NULL};
}

rf_err rfi_file_open(const char *path, int *out_fd, rf_diag *out_diag)
{
    /* O_NONBLOCK: opening a pipe must not wait for its writer; it means nothing to files. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return report(out_diag, path, "read", errno);
    struct stat status;
    int error = 0;
    if (fstat(fd, &status) != 0)
        error = errno;
    else if (S_ISDIR(status.st_mode))
        error = EISDIR;
    if (error != 0) {
        (void)close(fd);
        return report(out_diag, path, "read", error);
    }
    if (!S_ISREG(status.st_mode)) {
        (void)close(fd);
        return rfi_diag_at(out_diag, RF_ESYS, path, 0, 0, "cannot read \"%s\": not a regular file",
                           path);
    }
    *out_fd = fd;
    return RF_OK;
}

rf_err rfi_file_read(const char *path, size_t size_max, char **out_data, size_t *out_size,
                     rf_diag *out_diag)
{
    int fd = -1;
    rf_err err = rfi_file_open(path, &fd, out_diag);
    if (err != RF_OK)
        return err;
    size_t capacity = 16384;
    size_t size = 0;
    char *data = malloc(capacity + 1);
    while (data != NULL) {
        ssize_t count = read(fd, data + size, capacity - size);
        if (count < 0) {
            int error = errno;
            if (error == EINTR)
                continue;
            err = report(out_diag, path, "read", error);
            break;
        }
        size += (size_t)count;
        if (count == 0)
            break;
        if (size > size_max) {
            err = rfi_diag_at(out_diag, RF_ELIMIT, path, 0, 0, "\"%s\" is larger than %zu bytes",
                              path, size_max);
            break;
        }
        if (size == capacity) {
            capacity *= 2;
            char *larger = realloc(data, capacity + 1);
            if (larger == NULL)
                free(data);
            data = larger;
        }
    }
    (void)close(fd);
    if (data == NULL)
        return rfi_diag_set(out_diag, RF_ENOMEM, "%s", rf_err_text(RF_ENOMEM));
    if (err != RF_OK) {
        free(data);
        return err;
    }
    data[size] = '\0';
    *out_data = data;
    *out_size = size;
    return RF_OK;
}
