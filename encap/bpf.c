/* SPDX-License-Identifier: BSD-2-Clause */
#include "encap/bpf.h"

#include <errno.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* @syscall bpf */
static int bpf(enum bpf_cmd command, union bpf_attr *attr)
{
	long ret = syscall(SYS_bpf, command, attr, sizeof(*attr));

	return ret < 0 ? -errno : (int)ret;
}

/* @syscall mmap close */
int bpf_memory(size_t size, void **memory)
{
	union bpf_attr attr;
	int fd, ret;

	memset(&attr, 0, sizeof(attr));
	attr.map_type = BPF_MAP_TYPE_ARRAY;
	attr.key_size = sizeof(uint32_t);
	attr.value_size = (uint32_t)size;
	attr.max_entries = 1;
	attr.map_flags = BPF_F_MMAPABLE;
	fd = bpf(BPF_MAP_CREATE, &attr);
	if (fd < 0)
		return fd;
	*memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (*memory == MAP_FAILED) {
		ret = -errno;
		close(fd);
		*memory = NULL;
		return ret;
	}
	return fd;
}

int bpf_load(enum bpf_prog_type type, const char *name, const struct bpf_insn *code, unsigned count)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = type;
	attr.expected_attach_type = type == BPF_PROG_TYPE_XDP ? BPF_XDP : 0;
	attr.insns = (uintptr_t)code;
	attr.insn_cnt = count;
	attr.license = (uintptr_t) "BSD";
	(void)snprintf(attr.prog_name, sizeof(attr.prog_name), "%s", name);
	return bpf(BPF_PROG_LOAD, &attr);
}

int bpf_attach_xdp(int program, unsigned ifindex)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.link_create.prog_fd = (uint32_t)program;
	attr.link_create.target_ifindex = ifindex;
	attr.link_create.attach_type = BPF_XDP;
	attr.link_create.flags = XDP_FLAGS_DRV_MODE;
	return bpf(BPF_LINK_CREATE, &attr);
}

bool bpf_attached(int link)
{
	struct bpf_link_info info;
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	memset(&info, 0, sizeof(info));
	attr.info.bpf_fd = (uint32_t)link;
	attr.info.info_len = sizeof(info);
	attr.info.info = (uintptr_t)&info;
	return bpf(BPF_OBJ_GET_INFO_BY_FD, &attr) < 0 || info.xdp.ifindex != 0;
}

int bpf_run(int program, const void *in, size_t in_len, void *out, size_t room, size_t *len)
{
	union bpf_attr attr;
	int ret;

	memset(&attr, 0, sizeof(attr));
	attr.test.prog_fd = (uint32_t)program;
	attr.test.repeat = 1;
	attr.test.data_in = (uintptr_t)in;
	attr.test.data_size_in = (uint32_t)in_len;
	attr.test.data_out = (uintptr_t)out;
	attr.test.data_size_out = (uint32_t)room;
	ret = bpf(BPF_PROG_TEST_RUN, &attr);
	*len = attr.test.data_size_out;
	return ret < 0 ? ret : (int)attr.test.retval;
}
