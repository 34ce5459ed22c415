/* SPDX-License-Identifier: BSD-2-Clause */
/* What libpcap reads back is what was captured, in both formats. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>

#include "switchd/capture_format.h"
#include "test/unit/craft.h"

#define TIME_NS (UINT64_C(1700000000) * 1000000000u + 123456789u)

static uint8_t file[3 * FRAME_LARGE];
static size_t size;
static uint8_t bytes[FRAME_LARGE];
static char error[PCAP_ERRBUF_SIZE];

/* A frame of `len` recognisable bytes. */
static struct frame frame_of(uint32_t len, uint16_t tpid, uint16_t tci)
{
	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)(i * 7 + i / 256);
	return (struct frame){.data = bytes, .len = len, .tag = {tpid, tci}};
}

static void begin(enum capture_format format, const char *name)
{
	size = capture_format_header(format, name, file, sizeof(file));
	assert_true(size > 0 && size <= CAPTURE_HEADER_MAX);
}

static void add(enum capture_format format, const struct frame *frame, enum capture_direction dir,
		uint64_t time_ns)
{
	size_t n =
	    capture_format_record(format, frame, dir, time_ns, file + size, sizeof(file) - size);

	assert_int_equal(n, capture_format_record_len(format, frame));
	size += n;
}

static pcap_t *read_back(void)
{
	FILE *stream = fmemopen(file, size, "rb");
	pcap_t *pcap;

	assert_non_null(stream);
	pcap = pcap_fopen_offline_with_tstamp_precision(stream, PCAP_TSTAMP_PRECISION_NANO, error);
	if (!pcap)
		fail_msg("%s", error);
	assert_int_equal(pcap_datalink(pcap), DLT_EN10MB);
	assert_int_equal(pcap_snapshot(pcap), CAPTURE_SNAPLEN);
	return pcap;
}

static const u_char *next(pcap_t *pcap, uint32_t len, uint64_t time_ns)
{
	struct pcap_pkthdr *header;
	const u_char *data;

	assert_int_equal(pcap_next_ex(pcap, &header, &data), 1);
	assert_int_equal(header->caplen, len);
	assert_int_equal(header->len, len);
	assert_int_equal((uint64_t)header->ts.tv_sec * 1000000000u + (uint64_t)header->ts.tv_usec,
			 time_ns);
	return data;
}

static void at_end(pcap_t *pcap)
{
	struct pcap_pkthdr *header;
	const u_char *data;

	assert_int_equal(pcap_next_ex(pcap, &header, &data), PCAP_ERROR_BREAK);
	pcap_close(pcap);
}

static void test_lengths(void **state)
{
	/* Every padding, the empty frame, and the longest. */
	static const uint32_t lengths[] = {0, 1, 13, 14, 60, 61, 62, 63, 64, 1514, 65600};

	(void)state;
	for (unsigned format = CAPTURE_PCAP; format <= CAPTURE_PCAPNG; format++) {
		for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
			struct frame frame = frame_of(lengths[i], 0, 0);
			pcap_t *pcap;

			begin(format, "vm1");
			add(format, &frame, CAPTURE_IN, TIME_NS + i);
			add(format, &frame, CAPTURE_OUT, TIME_NS + 999999999);
			pcap = read_back();
			assert_memory_equal(next(pcap, lengths[i], TIME_NS + i), bytes, lengths[i]);
			assert_memory_equal(next(pcap, lengths[i], TIME_NS + 999999999), bytes,
					    lengths[i]);
			at_end(pcap);
		}
	}
}

static void test_tag(void **state)
{
	(void)state;
	for (unsigned format = CAPTURE_PCAP; format <= CAPTURE_PCAPNG; format++) {
		struct frame frame = frame_of(60, 0x88a8, 0x6066);
		const u_char *data;
		pcap_t *pcap;

		begin(format, "vm1");
		add(format, &frame, CAPTURE_IN, TIME_NS);
		pcap = read_back();
		data = next(pcap, 64, TIME_NS);
		assert_memory_equal(data, bytes, 12);
		assert_memory_equal(data + 12, "\x88\xa8\x60\x66", 4);
		assert_memory_equal(data + 16, bytes + 12, 48);
		at_end(pcap);
	}
}

static void test_tag_without_place(void **state)
{
	struct frame frame = frame_of(11, 0x8100, 5);
	pcap_t *pcap;

	(void)state;
	begin(CAPTURE_PCAP, "");
	add(CAPTURE_PCAP, &frame, CAPTURE_IN, TIME_NS);
	pcap = read_back();
	assert_memory_equal(next(pcap, 11, TIME_NS), bytes, 11);
	at_end(pcap);
}

static uint32_t native32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint16_t native16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* libpcap does not show options: their bytes. */
static void test_options(void **state)
{
	struct frame frame = frame_of(61, 0, 0);
	const uint8_t *p;

	(void)state;
	begin(CAPTURE_PCAPNG, "uplink");
	p = file + 28 + 16; /* behind the section's block: of the interface, the options */
	assert_int_equal(native16(p), 2);
	assert_int_equal(native16(p + 2), 6);
	assert_memory_equal(p + 4, "uplink\0\0", 8);
	assert_int_equal(native16(p + 12), 9);
	assert_int_equal(native16(p + 14), 1);
	assert_int_equal(p[16], 9);
	assert_int_equal(native32(p + 20), 0);
	assert_int_equal(native32(p + 24), size - 28);
	assert_int_equal(native32(file + 28 + 4), size - 28);

	for (unsigned dir = CAPTURE_IN; dir <= CAPTURE_OUT; dir++) {
		begin(CAPTURE_PCAPNG, "uplink");
		p = file + size + 28 + 64;
		add(CAPTURE_PCAPNG, &frame, dir, TIME_NS);
		assert_memory_equal(p - 3, "\0\0\0", 3);
		assert_int_equal(native16(p), 2);
		assert_int_equal(native16(p + 2), 4);
		assert_int_equal(native32(p + 4), dir == CAPTURE_IN ? 1 : 2);
		assert_int_equal(native32(p + 8), 0);
		assert_int_equal(native32(p + 12), 28 + 64 + 16);
		assert_ptr_equal(p + 16, file + size);
	}
}

static void test_long_name(void **state)
{
	struct frame frame = frame_of(60, 0, 0);
	char name[1000];
	pcap_t *pcap;

	(void)state;
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	begin(CAPTURE_PCAPNG, name);
	add(CAPTURE_PCAPNG, &frame, CAPTURE_IN, TIME_NS);
	pcap = read_back();
	(void)next(pcap, 60, TIME_NS);
	at_end(pcap);
}

/* Whole or not at all, and nothing behind the end. */
static void test_room(void **state)
{
	(void)state;
	for (unsigned format = CAPTURE_PCAP; format <= CAPTURE_PCAPNG; format++) {
		struct frame frame = frame_of(61, 0x8100, 7);
		size_t need = capture_format_record_len(format, &frame);
		uint8_t *exact = malloc(need);

		assert_non_null(exact);
		for (size_t room = 0; room < need; room++)
			assert_int_equal(
			    capture_format_record(format, &frame, CAPTURE_IN, 0, exact, room), 0);
		assert_int_equal(capture_format_record(format, &frame, CAPTURE_IN, 0, exact, need),
				 need);
		free(exact);
		assert_int_equal(capture_format_header(format, "", file, CAPTURE_HEADER_MAX - 1),
				 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_lengths),	      cmocka_unit_test(test_tag),
	    cmocka_unit_test(test_tag_without_place), cmocka_unit_test(test_options),
	    cmocka_unit_test(test_long_name),	      cmocka_unit_test(test_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
