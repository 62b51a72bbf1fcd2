/* SPDX-License-Identifier: MIT */
/* Runs a fuzz target over files instead of a fuzzer: the corpus as a regression test, with any compiler.
 * Usage: replay_NAME FILE… ; ends with `N passed, 0 failed`; what goes wrong aborts in the target. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *path)
{
    FILE *stream = fopen(path, "rb");
    if (stream == NULL) {
        perror(path);
        return 1;
    }
    enum { SIZE_MAX_BYTES = 1 << 20 };
    uint8_t *data = malloc(SIZE_MAX_BYTES);
    size_t size = data == NULL ? 0 : fread(data, 1, SIZE_MAX_BYTES, stream);
    (void)fclose(stream);
    if (data != NULL)
        (void)LLVMFuzzerTestOneInput(data, size);
    free(data);
    return data == NULL;
}

int main(int argc, char **argv)
{
    int failed = 0;
    for (int i = 1; i < argc; i++)
        failed += replay(argv[i]);
    printf("%d passed, %d failed\n", argc - 1 - failed, failed);
    return failed == 0 && argc > 1 ? 0 : 1;
}
