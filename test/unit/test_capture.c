/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Captures against readers of every temper: slow, gone, full, or another port.
 * Two ports whose guests are arrays; the loop turns only when a test says so.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "encap/gso.h"
#include "lib/log.h"
#include "switchd/capture.h"
#include "switchd/egress.h"

#define FRAME_BYTES 1000u

struct fake_port {
	struct port port;
	struct port_conf conf;
	struct port_runtime runtime;
	unsigned sent;
	uint8_t last[FRAME_LARGE];
	uint32_t last_len;
};

static struct switchd sw;
static struct segment segment;
static struct fake_port a, b;
static unsigned ended;

static void fake_send(struct port *port, struct frame_batch *batch)
{
	struct fake_port *fake = (struct fake_port *)port;

	for (unsigned i = 0; i < batch->count; i++) {
		fake->sent++;
		fake->last_len = batch->frame[i]->len;
		memcpy(fake->last, batch->frame[i]->data, batch->frame[i]->len);
		assert_int_equal(batch->frame[i]->tag.tpid, 0);
		assert_null(batch->frame[i]->origin);
	}
	frame_batch_free(batch);
}

static const struct port_ops fake_ops = {.type = "fake", .send = fake_send};

static void port_begin(struct fake_port *fake, char *name)
{
	memset(fake, 0, sizeof(*fake));
	fake->conf.name = name;
	fake->port.ops = &fake_ops;
	fake->port.conf = &fake->conf;
	fake->port.state = fake; /* open */
	fake->port.offloads = OFFLOAD_ALL;
	fake->port.runtime = &fake->runtime;
	fake->runtime.port = &fake->port;
	fake->runtime.sw = &sw;
	list_init(&fake->runtime.dirty);
	list_init(&fake->port.captures);
}

static int setup(void **state)
{
	(void)state;
	log_set_level(LOG_LEVEL_ERROR); /* warnings are provoked */
	memset(&sw, 0, sizeof(sw));
	memset(&segment, 0, sizeof(segment));
	sw.loop = ev_loop_new(EVFLAG_NOENV);
	sw.pool = frame_pool_create(64, 64);
	list_init(&sw.captures);
	list_init(&sw.dirty_ports);
	list_init(&sw.dirty_encaps);
	segment.sw = &sw;
	segment.conf.name = (char *)"alpha";
	list_init(&segment.captures);
	port_begin(&a, (char *)"a");
	port_begin(&b, (char *)"b");
	ended = 0;
	return sw.loop && sw.pool ? capture_open(&sw) : -1;
}

/* Destroying the pool finds frames that somebody has kept. */
static int teardown(void **state)
{
	(void)state;
	egress_flush(&sw);
	capture_close(&sw);
	assert_true(list_empty(&sw.captures));
	assert_true(list_empty(&a.port.captures));
	assert_true(list_empty(&segment.captures));
	frame_pool_destroy(sw.pool);
	ev_loop_destroy(sw.loop);
	return 0;
}

static void on_ended(void *arg)
{
	(void)arg;
	ended++;
}

static struct capture *start(struct capture_spec spec)
{
	struct capture *capture = NULL;
	struct err err = {""};

	spec.ended = on_ended;
	if (capture_start(&sw, &spec, &capture, &err) < 0)
		fail_msg("%s", err.text);
	return capture;
}

static void start_refused(struct capture_spec spec, int code)
{
	struct capture *capture;
	struct err err = {""};

	assert_int_equal(capture_start(&sw, &spec, &capture, &err), code);
	assert_true(err.text[0]);
}

static struct frame *frame_new(uint32_t len)
{
	struct frame *frame = frame_alloc(sw.pool, len);

	assert_non_null(frame);
	memset(frame->data, 0x5a, len);
	frame->len = len;
	return frame;
}

static void pass(struct port *port, unsigned count)
{
	struct frame *frame = frame_new(FRAME_BYTES);

	while (count--)
		capture_port(port, frame, CAPTURE_IN);
	frame_free(frame);
}

static void turn(void)
{
	capture_flush(&sw);
	egress_flush(&sw);
	ev_run(sw.loop, EVRUN_NOWAIT);
}

static long long shown(struct capture *capture, const char *key)
{
	json_t *json = capture_show(capture);
	long long value = json_integer_value(json_object_get(json, key));

	json_decref(json);
	return value;
}

/* Frames in a capture file that libpcap can read to its end. */
static unsigned frames_in(int fd)
{
	char error[PCAP_ERRBUF_SIZE];
	struct pcap_pkthdr *header;
	const u_char *data;
	unsigned count = 0;
	FILE *stream;
	pcap_t *pcap;
	int ret;

	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	stream = fdopen(fd, "rb");
	assert_non_null(stream);
	pcap = pcap_fopen_offline(stream, error);
	if (!pcap)
		fail_msg("%s", error);
	while ((ret = pcap_next_ex(pcap, &header, &data)) == 1)
		count++;
	assert_int_equal(ret, PCAP_ERROR_BREAK);
	pcap_close(pcap);
	return count;
}

static int file_new(void)
{
	int fd = memfd_create("capture", MFD_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

/* Empties what a reader holds into a file; false at the end of the stream. */
static bool take(int reader, int file)
{
	static char buffer[1 << 16];
	ssize_t n;

	while ((n = read(reader, buffer, sizeof(buffer))) > 0)
		assert_int_equal(write(file, buffer, (size_t)n), n);
	return n < 0 && errno == EAGAIN;
}

static void test_file(void **state)
{
	int file = file_new();
	struct capture *capture = start((struct capture_spec){.name = "m",
							      .port = &a.port,
							      .file = "x.pcapng",
							      .fd = dup(file),
							      .format = CAPTURE_PCAPNG});
	json_t *json;

	(void)state;
	for (unsigned i = 0; i < 10; i++) { /* more than the buffer in each turn */
		pass(&a.port, 1000);
		turn();
	}
	pass(&b.port, 5);
	json = capture_show(capture);
	assert_string_equal(json_string_value(json_object_get(json, "name")), "m");
	assert_string_equal(json_string_value(json_object_get(json, "port")), "a");
	assert_string_equal(json_string_value(json_object_get(json, "file")), "x.pcapng");
	json_decref(json);
	assert_int_equal(shown(capture, "frames"), 10000);
	assert_int_equal(shown(capture, "drops"), 0);
	pass(&a.port, 1);
	assert_int_equal(capture_stop_name(&sw, "none"), -ENOENT);
	assert_int_equal(capture_stop_name(&sw, "m"), 0);
	assert_int_equal(frames_in(file), 10001);
	assert_int_equal(ended, 0);
}

/* What does not fit is dropped and counted; what is written is whole. */
static void slow(int reader, int writer)
{
	int file = file_new();
	struct capture *capture = start((struct capture_spec){
	    .name = "m", .segment = &segment, .fd = writer, .format = CAPTURE_PCAPNG});
	struct frame *frame = frame_new(FRAME_BYTES);
	long long frames, drops;

	assert_true(fcntl(reader, F_SETFL, O_NONBLOCK) == 0);
	for (unsigned i = 0; i < 2000; i++) {
		capture_segment(&segment, frame);
		if (i % 100 == 0)
			turn();
	}
	frames = shown(capture, "frames");
	drops = shown(capture, "drops");
	assert_true(drops > 100);
	assert_int_equal(frames + drops, 2000);
	for (unsigned i = 0; i < 100; i++) { /* it wakes up */
		assert_true(take(reader, file));
		turn();
	}
	for (unsigned i = 0; i < 2000; i++) { /* and keeps up */
		capture_segment(&segment, frame);
		if (i % 10 == 0) {
			turn();
			assert_true(take(reader, file));
		}
	}
	turn();
	assert_true(take(reader, file));
	assert_int_equal(shown(capture, "drops"), drops);
	capture_stop(capture);
	assert_false(take(reader, file));
	close(reader);
	frame_free(frame);
	assert_int_equal(frames_in(file), frames + 2000);
}

static void test_slow_pipe(void **state)
{
	int ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	slow(ends[0], ends[1]);
}

static void test_slow_socket(void **state)
{
	int ends[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	slow(ends[0], ends[1]);
}

/* A reader that hangs up ends the capture, with traffic or without. */
static void test_hangup(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		bool with_traffic = i & 1;
		int ends[2];

		assert_int_equal(i & 2 ? pipe2(ends, O_CLOEXEC)
				       : socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends),
				 0);
		(void)start(
		    (struct capture_spec){.port = &a.port, .fd = ends[1], .format = CAPTURE_PCAP});
		turn();
		assert_int_equal(ended, i);
		close(ends[0]);
		if (with_traffic)
			pass(&a.port, 300);
		turn();
		turn();
		assert_int_equal(ended, i + 1);
		assert_true(list_empty(&sw.captures));
		assert_true(list_empty(&a.port.captures));
	}
}

/* Another process holds the same open file: nothing is heard of it afterwards. */
static void test_shared_file(void **state)
{
	struct capture *capture;
	int ends[2], other;

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	other = dup(ends[1]);
	capture = start((struct capture_spec){.port = &a.port, .fd = ends[1]});
	pass(&a.port, 300); /* it waits for room */
	turn();
	assert_true(fcntl(other, F_GETFL) & O_NONBLOCK);
	capture_stop(capture);
	assert_false(fcntl(other, F_GETFL) & O_NONBLOCK);
	close(ends[0]);
	turn();
	turn();
	close(other);
}

static void test_full_disk(void **state)
{
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

	(void)state;
	if (fd < 0)
		skip();
	(void)start((struct capture_spec){.name = "m", .port = &a.port, .file = "f", .fd = fd});
	turn();
	assert_int_equal(ended, 1);
	assert_true(list_empty(&sw.captures));
}

static void test_mirror(void **state)
{
	struct stats stats = {.rx_frames = 0};
	struct frame *frame = frame_new(60);
	struct capture *ab = start(
	    (struct capture_spec){.name = "ab", .port = &a.port, .fd = -1, .to_port = &b.port});
	struct capture *ba = start(
	    (struct capture_spec){.name = "ba", .port = &b.port, .fd = -1, .to_port = &a.port});

	(void)state;
	frame->origin = &stats;
	capture_port(&a.port, frame, CAPTURE_IN);
	turn();
	assert_int_equal(a.sent, 0);
	assert_int_equal(b.sent, 1);
	assert_int_equal(b.last_len, 60);
	capture_port(&b.port, frame, CAPTURE_IN);
	turn();
	assert_int_equal(a.sent, 1);
	assert_int_equal(b.sent, 1);
	assert_int_equal(shown(ab, "frames"), 1);
	assert_int_equal(shown(ba, "frames"), 1);

	frame->tag = (struct frame_tag){.tpid = 0x8100, .tci = 5};
	capture_port(&a.port, frame, CAPTURE_OUT);
	turn();
	assert_int_equal(b.last_len, 64);
	assert_memory_equal(b.last + 10, "\x5a\x5a\x81\x00\x00\x05\x5a\x5a", 8);
	assert_int_equal(frame->len, 60);
	assert_int_equal(frame->tag.tpid, 0x8100);

	b.port.state = NULL; /* closed */
	capture_port(&a.port, frame, CAPTURE_IN);
	assert_int_equal(shown(ab, "drops"), 1);
	frame_free(frame);
}

/* The instructions are the capture's, which frees them. */
static struct bpf_program program(const struct bpf_insn *insns, u_int count)
{
	struct bpf_program copy = {.bf_len = count, .bf_insns = calloc(count, sizeof(*insns))};

	assert_non_null(copy.bf_insns);
	memcpy(copy.bf_insns, insns, count * sizeof(*insns));
	return copy;
}

static void test_filter(void **state)
{
	/* vlan: the type at 12 is 0x8100 */
	static const struct bpf_insn vlan[] = {
	    BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x8100, 0, 1),
	    BPF_STMT(BPF_RET | BPF_K, 262144),
	    BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct frame *frame = frame_new(60);
	struct capture *capture = start((struct capture_spec){
	    .name = "m", .port = &a.port, .fd = file_new(), .filter = program(vlan, 4)});

	(void)state;
	capture_port(&a.port, frame, CAPTURE_IN);
	assert_int_equal(shown(capture, "frames"), 0);
	frame->tag.tpid = 0x8100;
	capture_port(&a.port, frame, CAPTURE_IN);
	assert_int_equal(shown(capture, "frames"), 1);
	frame_free(frame);
}

static void test_bad_filters(void **state)
{
	static const struct bpf_insn no_end[] = {BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12)};
	static const struct bpf_insn beyond[] = {BPF_STMT(BPF_JMP | BPF_JA, 7),
						 BPF_STMT(BPF_RET | BPF_K, 1)};
	static const struct bpf_insn forever[] = {BPF_STMT(BPF_LD | BPF_IMM, 0),
						  BPF_STMT(BPF_JMP | BPF_JA, (u_int)-2),
						  BPF_STMT(BPF_RET | BPF_K, 1)};

	(void)state;
	start_refused(
	    (struct capture_spec){.port = &a.port, .fd = file_new(), .filter = program(no_end, 1)},
	    -EINVAL);
	start_refused(
	    (struct capture_spec){.port = &a.port, .fd = file_new(), .filter = program(beyond, 2)},
	    -EINVAL);
	start_refused(
	    (struct capture_spec){.port = &a.port, .fd = file_new(), .filter = program(forever, 3)},
	    -EINVAL);
}

static void test_refused(void **state)
{
	int closed = file_new();

	(void)state;
	(void)start((struct capture_spec){.name = "m", .port = &a.port, .fd = file_new()});
	start_refused((struct capture_spec){.name = "m", .port = &b.port, .fd = file_new()},
		      -EEXIST);
	start_refused(
	    (struct capture_spec){.name = "n", .port = &a.port, .fd = -1, .to_port = &a.port},
	    -EINVAL);
	close(closed);
	start_refused((struct capture_spec){.name = "n", .port = &a.port, .fd = closed}, -EBADF);
}

static void test_gone(void **state)
{
	(void)state;
	(void)start((struct capture_spec){.name = "1", .port = &a.port, .fd = file_new()});
	(void)start(
	    (struct capture_spec){.name = "2", .port = &a.port, .fd = -1, .to_port = &b.port});
	(void)start(
	    (struct capture_spec){.name = "3", .segment = &segment, .fd = -1, .to_port = &b.port});
	(void)start((struct capture_spec){.name = "4", .segment = &segment, .fd = file_new()});
	capture_port_gone(&b.port);
	assert_int_equal(ended, 2);
	capture_segment_gone(&segment);
	assert_int_equal(ended, 3);
	capture_port_gone(&a.port);
	assert_int_equal(ended, 4);
	assert_true(list_empty(&sw.captures));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_file),	    TEST(test_slow_pipe), TEST(test_slow_socket), TEST(test_hangup),
	    TEST(test_shared_file), TEST(test_full_disk), TEST(test_mirror),	  TEST(test_filter),
	    TEST(test_bad_filters), TEST(test_refused),	  TEST(test_gone),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
