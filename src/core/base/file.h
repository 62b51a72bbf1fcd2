/* SPDX-License-Identifier: MIT */
/* Writing a file as a whole: to a new file beside it first, then renamed over it, so that a reader
 * or a crash sees the old content or the new one and nothing between. A path that leads to something
 * other than a regular file (a pipe, a terminal, /dev/null) is written directly instead. */
#ifndef RFI_GRAPH_FILE_H
#define RFI_GRAPH_FILE_H

#include <reflow/error.h>

struct rfi_new_file {
    int fd;          /* -1: not open */
    char *path;      /* where it goes */
    char *temp_path; /* where it is written; NULL: directly to path */
};

/* Errors: RF_ESYS (`out_diag` says path and reason), RF_ENOMEM. On success end with commit or
 * discard. Blocks on the file system, as do all of these. */
RF_NODISCARD rf_err rfi_new_file_open(struct rfi_new_file *file, const char *path,
                                      rf_diag *out_diag);
RF_NODISCARD rf_err rfi_new_file_write(struct rfi_new_file *file, const void *data, size_t size,
                                       rf_diag *out_diag);
/* Sync, rename, close. On failure the new file is removed and the old one stands. */
RF_NODISCARD rf_err rfi_new_file_commit(struct rfi_new_file *file, rf_diag *out_diag);
/* Remove what was written. Does nothing after commit. */
void rfi_new_file_discard(struct rfi_new_file *file);

/* Read a whole regular file of at most `size_max` bytes; free() the result, which is terminated.
 * Errors: RF_ESYS, RF_ELIMIT, RF_ENOMEM. */
RF_NODISCARD rf_err rfi_file_read(const char *path, size_t size_max, char **out_data,
                                  size_t *out_size, rf_diag *out_diag);
/* Open a regular file for reading. Errors: RF_ESYS. */
RF_NODISCARD rf_err rfi_file_open(const char *path, int *out_fd, rf_diag *out_diag);

#endif
