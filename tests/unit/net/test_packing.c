/* SPDX-License-Identifier: MIT */
/* Compressed frames: there and back, in one part or many; what a peer may not send; and when it is worth it. */
#include "net/packing.h"
#include "support/rf_test.h"

#define MS UINT64_C(1000000)

enum { FRAME_MAX = 1 << 20, SMALLEST = 4096 };

struct pair { /* a session's side, and what it works with */
    struct rfi_packing packing;
    struct rfi_packing_stats stats;
    struct rfi_zstd zstd;
    struct rfi_buf out, scratch;
    rf_diag diag;
};

static void set_up(struct pair *pair)
{
    memset(pair, 0, sizeof *pair);
    rfi_packing_init(&pair->packing, 1, SMALLEST, FRAME_MAX, &pair->stats);
    rfi_zstd_init(&pair->zstd);
}

static void tear_down(struct pair *pair)
{
    rfi_packing_fini(&pair->packing);
    rfi_zstd_fini(&pair->zstd);
    rfi_buf_fini(&pair->out);
    rfi_buf_fini(&pair->scratch);
}

static void fill_text(struct rfi_buf *buf, size_t size)
{
    while (buf->size < size)
        rfi_buf_printf(buf, "{\"reading\":%zu,\"unit\":\"C\"} ", buf->size * 7919 % 10007);
    buf->size = size;
}

static void fill_noise(struct rfi_buf *buf, size_t size)
{
    uint64_t state = 88172645463325252u;
    while (buf->size < size) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        rfi_buf_append_byte(buf, (uint8_t)(state >> 24));
    }
}

static rf_err take(struct pair *pair, const void *bytes, size_t size, const uint8_t **out_frame,
                   size_t *out_size)
{
    return rfi_packing_input(&pair->packing, &pair->zstd, bytes, size, &pair->scratch, out_frame,
                             out_size, &pair->diag);
}

static void note_release(void *owner)
{
    ++*(int *)owner;
}

/* Send a frame of `head_size` bytes and a tail, and compare what comes out; returns the parts. */
static int pass(size_t head_size, size_t tail_size)
{
    struct pair pair;
    struct rfi_buf all = {.data = NULL};
    struct rfi_buf frame = {.data = NULL};
    int parts = 0;
    int released = 0;
    size_t plain = 0;
    set_up(&pair);
    fill_text(&all, head_size + tail_size);
    rfi_buf_append(&frame, all.data, head_size);
    struct rfi_tail tail = {.data = NULL};
    if (tail_size > 0)
        tail = (struct rfi_tail){all.data + head_size, tail_size, note_release, &released};
    const uint8_t *got = NULL;
    size_t got_size = 0;
    cr_assert_eq(rfi_packing_begin(&pair.packing, &pair.zstd, &frame, &tail, &pair.out, &plain),
                 RF_OK);
    cr_assert_eq(frame.size, 0);
    for (parts = 1;; parts++) {
        cr_assert(pair.out.size < plain * 7 / 8, "it is compressed");
        cr_assert_eq(take(&pair, pair.out.data, pair.out.size, &got, &got_size), RF_OK);
        if (!rfi_packing_has_next(&pair.packing))
            break;
        cr_assert(got == NULL, "not yet whole");
        rfi_buf_clear(&pair.out);
        uint64_t before = pair.stats.sent_plain;
        cr_assert_eq(rfi_packing_next(&pair.packing, &pair.zstd, &pair.out), RF_OK);
        plain = (size_t)(pair.stats.sent_plain - before);
    }
    cr_assert_eq(got_size, all.size);
    cr_assert_arr_eq(got, all.data, all.size);
    cr_assert_eq(released, tail_size > 0 ? 1 : 0);
    cr_assert_eq(pair.stats.sent_plain, all.size);
    cr_assert_eq(pair.stats.received_plain, all.size);
    cr_assert_eq(pair.stats.received_packed, pair.stats.sent_packed);
    rfi_buf_fini(&frame);
    rfi_buf_fini(&all);
    tear_down(&pair);
    return parts;
}

Test(packing, frames_come_back_whole)
{
    cr_assert_eq(pass(500, 0), 1);
    cr_assert_eq(pass(5000, 0), 1);
    cr_assert_eq(pass(RFI_PACKED_PART_MAX, 0), 1);
    cr_assert_eq(pass(RFI_PACKED_PART_MAX + 1, 0), 2);
    cr_assert_eq(pass(FRAME_MAX, 0), 8);
    cr_assert_eq(pass(60, 40000), 1);
    cr_assert_eq(pass(60, FRAME_MAX - 60), 8);
    cr_assert_eq(pass(200000, 200000), 4);
    cr_assert_eq(pass(61, 2 * RFI_PACKED_PART_MAX), 3);
    cr_assert_eq(pass(RFI_PACKED_PART_MAX, RFI_PACKED_PART_MAX), 2);
}

Test(packing, what_hardly_shrinks_goes_as_it_is)
{
    struct pair pair;
    struct rfi_buf frame = {.data = NULL};
    struct rfi_tail none = {.data = NULL};
    size_t plain = 0;
    set_up(&pair);
    fill_noise(&frame, 300000);
    cr_assert_eq(rfi_packing_begin(&pair.packing, &pair.zstd, &frame, &none, &pair.out, &plain),
                 RF_EAGAIN);
    cr_assert_eq(frame.size, 300000);
    cr_assert_eq(plain, 100000);
    cr_assert(!rfi_packing_has_next(&pair.packing));
    cr_assert_eq(pair.stats.sent_plain, 0);
    const uint8_t *got = NULL;
    size_t got_size = 0;
    frame.data[0] = 0x01;
    cr_assert_eq(take(&pair, frame.data, frame.size, &got, &got_size), RF_OK);
    cr_assert(got == frame.data && got_size == frame.size, "no copy");
    rfi_buf_fini(&frame);
    tear_down(&pair);
}

Test(packing, a_session_that_ends_half_way_releases_the_tail)
{
    struct pair pair;
    struct rfi_buf frame = {.data = NULL};
    struct rfi_buf body = {.data = NULL};
    int released = 0;
    size_t plain = 0;
    set_up(&pair);
    fill_text(&frame, 60);
    fill_text(&body, 500000);
    struct rfi_tail tail = {body.data, body.size, note_release, &released};
    cr_assert_eq(rfi_packing_begin(&pair.packing, &pair.zstd, &frame, &tail, &pair.out, &plain),
                 RF_OK);
    cr_assert(rfi_packing_has_next(&pair.packing) && released == 0);
    tear_down(&pair);
    cr_assert_eq(released, 1);
    rfi_buf_fini(&frame);
    rfi_buf_fini(&body);
}

/* ---- what a peer may not send ---- */

static rf_err take_one(struct pair *pair, const void *bytes, size_t size)
{
    const uint8_t *got = NULL;
    size_t got_size = 0;
    pair->diag.text[0] = '\0';
    rf_err err = take(pair, bytes, size, &got, &got_size);
    cr_assert(err == RF_OK || pair->diag.text[0] != '\0', "a refusal has a reason");
    return err;
}

static void pack(struct pair *pair, const struct rfi_buf *plain, bool has_more)
{
    rfi_buf_clear(&pair->out);
    cr_assert_eq(rfi_zstd_pack(&pair->zstd, 1, plain->data, plain->size, has_more, &pair->out),
                 RF_OK);
}

Test(packing, no_part_that_is_cut_short_is_taken)
{
    struct pair pair;
    struct rfi_buf text = {.data = NULL};
    set_up(&pair);
    fill_text(&text, 2000);
    pack(&pair, &text, false);
    size_t whole = pair.out.size;
    for (size_t size = 1; size < whole; size++)
        cr_assert_eq(take_one(&pair, pair.out.data, size), RF_EPROTO);
    cr_assert_eq(take_one(&pair, pair.out.data, whole), RF_OK);
    rfi_buf_append_byte(&pair.out, 0);
    cr_assert_eq(take_one(&pair, pair.out.data, whole + 1), RF_EPROTO, "bytes behind it");
    rfi_buf_fini(&text);
    tear_down(&pair);
}

/* The head of a part: flags, and a size that is not checked. */
static size_t begin_part(uint8_t *at, uint8_t flags, uint64_t size)
{
    size_t count = 0;
    at[count++] = RFI_PACKED_FRAME;
    at[count++] = flags;
    for (; size >= 0x80; size >>= 7)
        at[count++] = (uint8_t)(size | 0x80);
    at[count++] = (uint8_t)size;
    return count;
}

/* The part in pair->out with another head. */
static rf_err take_with_head(struct pair *pair, uint8_t flags, uint64_t size)
{
    uint8_t bytes[4096];
    uint8_t head[16];
    size_t skip = 2;
    while ((pair->out.data[skip++] & 0x80) != 0)
        continue;
    size_t head_size = begin_part(head, flags, size);
    cr_assert(head_size + pair->out.size < sizeof bytes);
    memcpy(bytes, head, head_size);
    memcpy(bytes + head_size, pair->out.data + skip, pair->out.size - skip);
    return take_one(pair, bytes, head_size + pair->out.size - skip);
}

Test(packing, a_bomb_is_stopped_before_it_takes_memory)
{
    struct pair pair;
    struct rfi_buf zeros = {.data = NULL};
    set_up(&pair);
    memset(rfi_buf_reserve(&zeros, RFI_PACKED_PART_MAX), 0, RFI_PACKED_PART_MAX);
    zeros.size = RFI_PACKED_PART_MAX;
    pack(&pair, &zeros, false);
    cr_assert(pair.out.size < 100);
    cr_assert_eq(take_with_head(&pair, 0, 1000), RF_EPROTO, "more than it says");
    cr_assert(pair.scratch.capacity <= 1024);
    cr_assert_eq(take_with_head(&pair, 0, zeros.size - 1), RF_EPROTO);
    cr_assert_eq(take_with_head(&pair, 0, RFI_PACKED_PART_MAX + 1), RF_ELIMIT);
    cr_assert_eq(take_with_head(&pair, 0, UINT64_MAX), RF_ELIMIT);
    cr_assert_eq(take_with_head(&pair, 0, 0), RF_EPROTO);
    cr_assert_eq(take_with_head(&pair, 0, zeros.size), RF_OK);
    /* Small parts without end: their sum is a frame's. */
    pack(&pair, &zeros, true);
    for (int i = 0; i < FRAME_MAX / RFI_PACKED_PART_MAX; i++)
        cr_assert_eq(take_one(&pair, pair.out.data, pair.out.size), RF_OK);
    cr_assert_eq(take_one(&pair, pair.out.data, pair.out.size), RF_ELIMIT);
    rfi_buf_fini(&zeros);
    tear_down(&pair);
}

Test(packing, what_is_no_part_is_refused)
{
    struct pair pair;
    struct rfi_buf text = {.data = NULL};
    set_up(&pair);
    fill_text(&text, 2000);
    pack(&pair, &text, false);
    cr_assert_eq(take_with_head(&pair, 2, 2000), RF_EPROTO, "a flag that nobody knows");
    cr_assert_eq(take_with_head(&pair, 0, 2001), RF_EPROTO, "less than it says");
    cr_assert_eq(take_with_head(&pair, 0, 1999), RF_EPROTO, "more than it says");
    for (size_t at = 4; at < pair.out.size; at++) {
        uint8_t before = pair.out.data[at];
        pair.out.data[at] ^= 0x40;
        (void)take_one(&pair, pair.out.data, pair.out.size); /* whatever comes out, it is bounded */
        cr_assert(pair.scratch.size <= 2000);
        pair.out.data[at] = before;
    }
    /* A skippable frame, which gives nothing. */
    uint8_t skippable[] = {RFI_PACKED_FRAME, 0, 1, 0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 7};
    cr_assert_eq(take_one(&pair, skippable, sizeof skippable), RF_EPROTO);
    rfi_buf_fini(&text);
    tear_down(&pair);
}

Test(packing, nothing_comes_between_the_parts_of_a_frame)
{
    struct pair pair;
    struct rfi_buf text = {.data = NULL};
    set_up(&pair);
    fill_text(&text, 2000);
    pack(&pair, &text, true);
    cr_assert_eq(take_one(&pair, pair.out.data, pair.out.size), RF_OK);
    cr_assert_eq(take_one(&pair, "\x01", 1), RF_EPROTO);
    cr_assert_eq(take_one(&pair, "", 0), RF_EPROTO);
    rfi_buf_fini(&text);
    tear_down(&pair);
}

/* ---- is it worth it? ---- */

enum { BATCH = 64 << 10, MB = 1000000 };

static const uint64_t now_ns = 1000 * MS;

/* The socket is or was stuck, and takes so much a second. */
static void set_pace(struct pair *pair, bool is_stuck, uint64_t before_ms, uint64_t bytes_per_s)
{
    pair->packing.pace = (struct rfi_pace){.is_stuck = is_stuck};
    pair->packing.pace.stuck_at_ns = now_ns - before_ms * MS;
    rfi_pace_add(&pair->packing.pace, bytes_per_s, false);
}

static bool wants(struct pair *pair, size_t size)
{
    return rfi_packing_wants(&pair->packing, size, now_ns);
}

Test(packing, only_while_the_socket_is_behind)
{
    struct pair pair;
    set_up(&pair);
    cr_assert(!wants(&pair, BATCH));
    set_pace(&pair, true, 0, 0);
    cr_assert(!wants(&pair, BATCH), "slow or fast: not known yet");
    set_pace(&pair, true, 0, 12 * MB);
    cr_assert(wants(&pair, BATCH) && wants(&pair, SMALLEST));
    cr_assert(!wants(&pair, SMALLEST - 1), "too small to be worth it");
    set_pace(&pair, true, 500, 12 * MB);
    cr_assert(wants(&pair, BATCH));
    set_pace(&pair, false, 19, 12 * MB);
    cr_assert(wants(&pair, BATCH), "it was, a moment ago");
    set_pace(&pair, false, 21, 12 * MB);
    cr_assert(!wants(&pair, BATCH));
    tear_down(&pair);
}

Test(packing, a_large_frame_waits_for_itself_on_a_slow_socket)
{
    struct pair pair;
    set_up(&pair);
    pair.packing.pace = (struct rfi_pace){.ns_per_mib = 80 * MS, .stuck_at_ns = 1};
    cr_assert(!rfi_packing_wants(&pair.packing, BATCH, 20000 * MS));
    cr_assert(rfi_packing_wants(&pair.packing, FRAME_MAX, 20000 * MS));
    cr_assert(!rfi_packing_wants(&pair.packing, FRAME_MAX, 31000 * MS), "who knows by now");
    tear_down(&pair);
}

Test(packing, the_pace_is_what_the_network_takes)
{
    struct rfi_pace pace = {.ns_per_mib = 0};
    rfi_pace_add(&pace, 0, false);
    rfi_pace_add(&pace, 100 * MB, true);
    cr_assert_eq(pace.ns_per_mib, 0, "it could be faster by any factor");
    rfi_pace_add(&pace, 100 * MB, false);
    cr_assert(pace.ns_per_mib / 10000 == 1048, "10.48 ms a MiB");
    rfi_pace_add(&pace, 50 * MB, true);
    cr_assert(pace.ns_per_mib / 10000 == 1048, "nobody asked for more");
    for (int i = 0; i < 30; i++)
        rfi_pace_add(&pace, 200 * MB, true);
    cr_assert(pace.ns_per_mib / 100000 == 52, "so fast at least");
    for (int i = 0; i < 30; i++)
        rfi_pace_add(&pace, 10 * MB, false);
    cr_assert(pace.ns_per_mib / MS >= 103 && pace.ns_per_mib / MS <= 104);
    rfi_pace_add(&pace, 2000 * MB, true);
    rfi_pace_add(&pace, MB / 2, false);
    cr_assert(pace.ns_per_mib / MS > 60 && pace.ns_per_mib / MS < 200, "one burst says little");
    for (int i = 0; i < 200; i++)
        rfi_pace_add(&pace, UINT64_MAX, true);
    cr_assert(pace.ns_per_mib > 0 && pace.ns_per_mib < 10);
    for (int i = 0; i < 200; i++)
        rfi_pace_add(&pace, 1, false);
    cr_assert(pace.ns_per_mib <= RFI_PACE_SLOWEST && pace.ns_per_mib > RFI_PACE_SLOWEST / 2);
}

/* How many of the next `count` batches it wants. */
static int wants_of(struct pair *pair, int count)
{
    int wanted = 0;
    for (int i = 0; i < count; i++)
        wanted += wants(pair, BATCH) ? 1 : 0;
    return wanted;
}

Test(packing, what_does_not_pay_is_tried_less_and_less)
{
    struct pair pair;
    set_up(&pair);
    set_pace(&pair, true, 0, 12 * MB);
    int skipped = 0;
    for (int tries = 1; tries <= 12; tries++) {
        cr_assert(wants(&pair, BATCH));
        rfi_packing_judge(&pair.packing, BATCH, BATCH + 10, 20000);
        skipped = 0;
        while (wants_of(&pair, 1) == 0)
            skipped++;
    }
    cr_assert_eq(skipped, 256, "16 MiB at last: %d", skipped);
    rfi_packing_judge(&pair.packing, BATCH, BATCH / 4, 150000);
    cr_assert_eq(wants_of(&pair, 100), 100, "and one that pays ends it");
    rfi_packing_judge(&pair.packing, BATCH, BATCH, 20000);
    cr_assert_eq(wants_of(&pair, 5), 1, "the next pause is a short one");
    tear_down(&pair);
}

Test(packing, a_fast_socket_is_not_held_up)
{
    struct pair pair;
    set_up(&pair);
    /* 125 MB/s: 48 KiB less are 390 us less, for 150 us of work. */
    set_pace(&pair, true, 0, 125 * MB);
    rfi_packing_judge(&pair.packing, BATCH, BATCH / 4, 150000);
    cr_assert_eq(wants_of(&pair, 3), 3);
    /* 1.25 GB/s: 39 us less. */
    set_pace(&pair, true, 0, 1250 * MB);
    rfi_packing_judge(&pair.packing, BATCH, BATCH / 4, 150000);
    cr_assert_eq(wants_of(&pair, 3), 0);
    set_pace(&pair, true, 0, 1);
    rfi_packing_judge(&pair.packing, BATCH, BATCH / 4, 150000);
    cr_assert_eq(wants_of(&pair, 3), 3);
    tear_down(&pair);
}
