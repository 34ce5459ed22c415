/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What switchctl does with libpcap: filter expressions, live captures, and
 * frames out of capture files. switchd itself never sees a filter's text.
 */
#include <errno.h>
#include <fcntl.h>
#include <pcap/pcap.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "switchd/switchctl.h"

#define SNAPLEN	     262144
#define PIPE_BYTES   (1024 * 1024) /* asked for; switchd drops what does not fit */
#define COPY_BYTES   65536
#define TRACE_BYTES  (64 * 1024) /* of frames in one request: half of it as digits */
#define TRACE_FRAMES 256

/* Compiles a filter into [[code, jt, jf, k], ...]; empty: everything. */
static json_t *compile_filter(const char *text, struct err *err)
{
	json_t *insns = json_array();
	struct bpf_program program;
	pcap_t *pcap;

	if (!*text)
		return insns;
	pcap = pcap_open_dead(DLT_EN10MB, SNAPLEN);
	if (!pcap) {
		(void)err_set(err, ENOMEM, "out of memory");
		json_decref(insns);
		return NULL;
	}
	if (pcap_compile(pcap, &program, text, 1, PCAP_NETMASK_UNKNOWN) < 0) {
		(void)err_set(err, EINVAL, "filter '%s': %s", text, pcap_geterr(pcap));
		json_decref(insns);
		insns = NULL;
	} else {
		for (u_int i = 0; i < program.bf_len; i++) {
			const struct bpf_insn *insn = &program.bf_insns[i];

			(void)json_array_append_new(insns,
						    json_pack("[i, i, i, I]", insn->code, insn->jt,
							      insn->jf, (json_int_t)insn->k));
		}
		pcap_freecode(&program);
	}
	pcap_close(pcap);
	return insns;
}

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	(void)number;
	interrupted = 1;
}

/* Writes all of it. 0; -EPIPE: nobody reads any more; or another negative errno. */
static int write_all(int fd, const char *data, size_t n)
{
	while (n) {
		ssize_t written = write(fd, data, n);

		if (written < 0 && errno == EINTR && !interrupted)
			continue;
		if (written < 0 && errno == EAGAIN) {
			struct pollfd ready = {.fd = fd, .events = POLLOUT};

			(void)poll(&ready, 1, -1);
			if (!interrupted)
				continue;
		}
		if (written < 0)
			return interrupted ? -EPIPE : -errno;
		data += written;
		n -= (size_t)written;
	}
	return 0;
}

/*
 * Copies from a pipe to stdout until the pipe ends, nobody reads stdout, or a
 * signal comes; all three are a good end. Signals are let in only while poll
 * sleeps, so that none is missed between a look at the flag and a read.
 */
static int copy_packets(int from, struct err *err)
{
	static char buffer[COPY_BYTES];
	/* The second signal kills, should the first have been of no use. */
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
	struct pollfd polled[] = {{.fd = from, .events = POLLIN}, {.fd = STDOUT_FILENO}};
	sigset_t blocked, before;
	ssize_t n;
	int rc;

	(void)signal(SIGPIPE, SIG_IGN);
	(void)sigemptyset(&blocked);
	(void)sigaddset(&blocked, SIGINT);
	(void)sigaddset(&blocked, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, &blocked, &before);
	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
	while (!interrupted) {
		if (ppoll(polled, 2, NULL, &before) < 0) {
			if (errno == EINTR)
				continue;
			return err_set(err, errno, "poll: %s", strerror(errno));
		}
		if (polled[1].revents & (POLLERR | POLLHUP | POLLNVAL))
			break;
		n = read(from, buffer, sizeof(buffer));
		if (n == 0)
			break;
		if (n < 0)
			return err_set(err, errno, "read: %s", strerror(errno));
		/* A reader that has stopped must not make the signals wait. */
		(void)sigprocmask(SIG_SETMASK, &before, NULL);
		rc = write_all(STDOUT_FILENO, buffer, (size_t)n);
		(void)sigprocmask(SIG_BLOCK, &blocked, NULL);
		if (rc == -EPIPE)
			break;
		if (rc < 0)
			return err_set(err, -rc, "cannot write: %s", strerror(-rc));
	}
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	return 0;
}

int run_pcap(struct ctl_client *client, struct cli_call *call, struct err *err)
{
	json_t *filter;
	int ends[2], rc;

	if (isatty(STDOUT_FILENO))
		return err_set(
		    err, EINVAL,
		    "a capture is not for a terminal; add '| tcpdump -nr -' or '> FILE'");
	filter = compile_filter(call->filter, err);
	if (!filter)
		return -EINVAL;
	(void)json_object_set_new(call->args, "filter", filter);
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_set(err, errno, "pipe: %s", strerror(errno));
	/* switchd must never wait for us; it sees to that itself, and so do we. */
	(void)fcntl(ends[1], F_SETFL, O_NONBLOCK);
	(void)fcntl(ends[1], F_SETPIPE_SZ, PIPE_BYTES);
	rc = request(client, call->command->wire, json_incref(call->args), ends[1], NULL, NULL,
		     NULL, err);
	(void)close(ends[1]);
	if (rc == 0)
		rc = copy_packets(ends[0], err);
	(void)close(ends[0]);
	return rc;
}

/* ---- trace ---- */

struct tracing {
	struct ctl_client *client;
	struct cli_call *call;
	struct output *output;
	json_t *frames; /* of the next request */
	size_t bytes;
	bool single; /* one frame was given: its answer is an object, not an array */
};

static void trace_item(void *arg, json_t *item)
{
	const struct tracing *tracing = arg;

	if (tracing->single)
		output_object(tracing->output, "trace", item);
	else
		output_item(tracing->output, "trace", item);
}

/* Asks about the frames so far, and begins with none. */
static int trace_frames(struct tracing *tracing, struct err *err)
{
	json_t *args = json_copy(tracing->call->args);

	(void)json_object_set_new(args, "frames", tracing->frames);
	tracing->frames = json_array();
	tracing->bytes = 0;
	return request(tracing->client, tracing->call->command->wire, args, -1, trace_item, tracing,
		       NULL, err);
}

static json_t *to_hex(const u_char *data, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	char *text = malloc(len * 2 + 1);
	json_t *string;

	if (!text)
		return NULL;
	for (size_t i = 0; i < len; i++) {
		text[2 * i] = digits[data[i] >> 4];
		text[2 * i + 1] = digits[data[i] & 15];
	}
	text[len * 2] = '\0';
	string = json_string(text);
	free(text);
	return string;
}

static int trace_packets(struct tracing *tracing, pcap_t *pcap, struct err *err)
{
	struct pcap_pkthdr *header;
	const u_char *data;
	unsigned number = 0;
	int rc;

	while ((rc = pcap_next_ex(pcap, &header, &data)) == 1) {
		number++;
		if (header->caplen < header->len)
			return err_set(err, EINVAL,
				       "frame %u of the file is cut: %u of %u bytes are there",
				       number, header->caplen, header->len);
		if (header->caplen > TRACE_BYTES + 64)
			return err_set(err, EINVAL, "frame %u of the file is too long: %u bytes",
				       number, header->caplen);
		if (json_array_size(tracing->frames) &&
		    (tracing->bytes + header->caplen > TRACE_BYTES ||
		     json_array_size(tracing->frames) >= TRACE_FRAMES)) {
			rc = trace_frames(tracing, err);
			if (rc < 0)
				return rc;
		}
		tracing->bytes += header->caplen;
		if (json_array_append_new(tracing->frames, to_hex(data, header->caplen)) < 0)
			return err_set(err, ENOMEM, "out of memory");
	}
	if (rc == PCAP_ERROR)
		return err_set(err, EINVAL, "%s: %s", tracing->call->file, pcap_geterr(pcap));
	return json_array_size(tracing->frames) ? trace_frames(tracing, err) : 0;
}

static int trace_file(struct tracing *tracing, struct err *err)
{
	char text[PCAP_ERRBUF_SIZE];
	pcap_t *pcap = pcap_open_offline(tracing->call->file, text);
	int rc;

	if (!pcap) { /* a file that is none is not named by libpcap */
		bool named = strncmp(text, tracing->call->file, strlen(tracing->call->file)) == 0;

		return err_set(err, EINVAL, "%s%s%s", named ? "" : tracing->call->file,
			       named ? "" : ": ", text);
	}
	if (pcap_datalink(pcap) == DLT_EN10MB)
		rc = trace_packets(tracing, pcap, err);
	else
		rc = err_set(err, EINVAL, "%s holds no Ethernet frames", tracing->call->file);
	pcap_close(pcap);
	return rc;
}

int run_trace(struct ctl_client *client, struct cli_call *call, struct output *output,
	      struct err *err)
{
	struct tracing tracing = {.client = client, .call = call, .output = output};
	json_t *frames = json_object_get(call->args, "frames");
	int rc;

	if (frames) {
		tracing.single = true;
		tracing.frames = json_incref(frames);
		rc = trace_frames(&tracing, err);
	} else {
		tracing.frames = json_array();
		rc = trace_file(&tracing, err);
		if (rc == 0 || output->opened)
			output_end(output);
	}
	json_decref(tracing.frames);
	return rc;
}
