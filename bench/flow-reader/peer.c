/* Counts connection events with libnetfilter_conntrack: the reader one would write in C. Ends on SIGINT. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <libnfnetlink/libnfnetlink.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack.h>

static unsigned long starts, ends;

/* The library goes on waiting after a signal, so the handler is where this program ends. */
static void on_signal(int signal) {
	(void)signal;
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	char line[200];
	int length = snprintf(line, sizeof line, "{\"starts\":%lu,\"ends\":%lu,\"cpu\":%ld,\"resident\":%ld}\n", starts, ends,
	                      (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000L + usage.ru_utime.tv_usec + usage.ru_stime.tv_usec,
	                      usage.ru_maxrss * 1024);
	if (write(1, line, length) < 0) _exit(1);
	_exit(0);
}

static int on_event(enum nf_conntrack_msg_type type, struct nf_conntrack *ct, void *data) {
	(void)data;
	(void)nfct_get_attr_u64(ct, ATTR_ORIG_COUNTER_BYTES);
	if (type == NFCT_T_NEW) starts++;
	else if (type == NFCT_T_DESTROY) ends++;
	return NFCT_CB_CONTINUE;
}

int main(void) {
	struct nfct_handle *handle = nfct_open(CONNTRACK, NF_NETLINK_CONNTRACK_NEW | NF_NETLINK_CONNTRACK_DESTROY);
	if (!handle) return 1;
	nfnl_rcvbufsiz(nfct_nfnlh(handle), 64 * 1024 * 1024);
	nfct_callback_register(handle, NFCT_T_ALL, on_event, NULL);
	signal(SIGINT, on_signal);
	printf("up\n");
	fflush(stdout);
	for (;;)
		if (nfct_catch(handle) < 0 && errno != ENOBUFS && errno != EINTR) return 1;
}
