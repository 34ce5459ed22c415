/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading the desired state from a file, in steps: where there are ten thousand segments,
 * all of them together take longer than frames should wait. The longest is libconfig's.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/machine.h"
#include "switchd/config.h"

#define CONFIG_SIZE_MAX (64u << 20) /* a file larger than this is a mistake */

struct desired_loading {
	const char *name; /* for messages */
	const char *text;
	char *own; /* the text, if it was read here */
	config_t config;
	enum { READ, PARSE, LEAVE, CHECK } next;
};

/* ---- what is not in the file ---- */

/* The host's own name, made fit to be one of ours. */
static char *host_name(void)
{
	char buf[NAME_MAX_LEN + 1];

	(void)snprintf(buf, sizeof(buf), "%s", machine_host_name());
	for (char *p = buf; *p; p++) {
		char one[2] = {*p, '\0'};

		if (!config_name_ok(one))
			*p = '-';
	}
	return strdup(buf[0] ? buf : "localhost");
}

/* What the tables cannot say, because it depends on the host or on another key. false when
 * out of memory. */
static bool fill_in(struct desired *desired)
{
	if (!desired->host)
		desired->host = host_name();
	if (!desired->host)
		return false;
	if (!desired->control) {
		size_t size = strlen(desired->run_dir) + sizeof(CONFIG_SOCKET_NAME);

		desired->control = calloc(1, size);
		if (!desired->control)
			return false;
		(void)stpcpy(stpcpy(desired->control, desired->run_dir), CONFIG_SOCKET_NAME);
	}
	return true;
}

/* ---- the file ---- */

/* Reads up to the limit; *size is what came. NULL with errno. */
static char *read_all(int fd, size_t *size)
{
	size_t room = 1 << 16;
	char *text = malloc(room), *grown;

	*size = 0;
	while (text) {
		ssize_t n = read(fd, text + *size, room - 1 - *size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		if (n == 0) {
			text[*size] = '\0';
			return text;
		}
		*size += (size_t)n;
		if (*size > CONFIG_SIZE_MAX) {
			errno = EFBIG;
			break;
		}
		if (*size == room - 1) {
			room *= 2;
			grown = realloc(text, room);
			if (!grown)
				break;
			text = grown;
		}
	}
	free(text);
	return NULL;
}

/* @syscall openat newfstatat read close */
static char *read_file(const char *path, size_t *size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	char *text = NULL;
	struct stat st;
	int saved;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) == 0) {
		if (S_ISDIR(st.st_mode))
			errno = EISDIR;
		else
			text = read_all(fd, size);
	}
	saved = errno;
	(void)close(fd);
	errno = saved;
	return text;
}

/* ---- steps ---- */

static struct desired_loading *create(const char *name, const char *text)
{
	struct desired_loading *loading = calloc(1, sizeof(*loading));

	if (!loading)
		return NULL;
	loading->name = name;
	loading->text = text;
	config_init(&loading->config);
	return loading;
}

struct desired_loading *desired_loading_begin(const char *path)
{
	return create(path, NULL);
}

void desired_loading_end(struct desired_loading *loading)
{
	if (!loading)
		return;
	if (loading->next < CHECK)
		config_destroy(&loading->config);
	free(loading->own);
	free(loading);
}

static int read_text(struct desired_loading *loading, struct err *err)
{
	size_t size = 0, line = 1;

	loading->own = read_file(loading->name, &size);
	if (!loading->own)
		return err_set(err, errno, "%s: cannot read the configuration: %s", loading->name,
			       strerror(errno));
	loading->text = loading->own;
	if (strlen(loading->text) == size)
		return 0;
	for (const char *p = loading->text; *p; p++)
		line += *p == '\n';
	return err_set(err, EINVAL, "%s:%zu: a NUL byte: this is no text file", loading->name,
		       line);
}

static int parse(struct desired_loading *loading, struct desired *desired, struct err *err)
{
	if (!conf_parse(&desired_schema, config_root_setting(&loading->config), desired, err))
		return -EINVAL;
	desired_set_owner(desired, OWNER_FILE);
	if (fill_in(desired) && config_policy_name(desired))
		return 0;
	(void)err_set(err, ENOMEM, "%s: out of memory", loading->name);
	return -EINVAL;
}

static int step(struct desired_loading *loading, struct desired *desired, struct err *err)
{
	int ret;

	switch (loading->next++) {
	case READ:
		ret = loading->text ? 0 : read_text(loading, err);
		if (ret < 0)
			return ret;
		return conf_read(&loading->config, loading->text, loading->name, err) ? 1 : -EINVAL;
	case PARSE:
		ret = parse(loading, desired, err);
		return ret < 0 ? ret : 1;
	case LEAVE:
		config_destroy(&loading->config);
		return 1;
	default:
		return desired_check(desired, err) < 0 ? -EINVAL : 0;
	}
}

int desired_loading_step(struct desired_loading *loading, struct desired *desired, struct err *err)
{
	int ret = step(loading, desired, err);

	if (ret < 0)
		desired_clear(desired);
	return ret;
}

static int all_steps(struct desired_loading *loading, struct desired *desired, const char *name,
		     struct err *err)
{
	int ret = loading ? 1 : err_set(err, ENOMEM, "%s: out of memory", name);

	while (ret > 0)
		ret = desired_loading_step(loading, desired, err);
	desired_loading_end(loading);
	return ret;
}

int desired_parse(struct desired *desired, const char *text, const char *name, struct err *err)
{
	return all_steps(create(name, text), desired, name, err);
}

int desired_load(struct desired *desired, const char *path, struct err *err)
{
	return all_steps(desired_loading_begin(path), desired, path, err);
}
