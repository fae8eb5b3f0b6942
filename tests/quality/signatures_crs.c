// SPDX-License-Identifier: Apache-2.0
#include "tests/quality/signatures_crs.h"
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/util.h"

#ifdef PICKET_HAVE_MODSECURITY
#include <modsecurity/modsecurity.h>
#include <modsecurity/rules_set.h>
#include <modsecurity/transaction.h>

#define SETUP "/etc/modsecurity/crs/crs-setup.conf"
#define RULES "/usr/share/modsecurity-crs/rules/*.conf"

struct crs {
	ModSecurity *engine;
	RulesSet *rules;
};

static void be_quiet(void *data, const void *message)
{
	(void)data;
	(void)message;
}

static bool load_rules(struct crs *c, unsigned paranoia, const char **error)
{
	char first[512];
	glob_t found;

	snprintf(first, sizeof first,
		 "SecRuleEngine On\nSecRequestBodyAccess On\n"
		 "SecDefaultAction \"phase:1,nolog,noauditlog,pass\"\n"
		 "SecDefaultAction \"phase:2,nolog,noauditlog,pass\"\n"
		 "SecAction \"id:900000,phase:1,nolog,pass,t:none,setvar:tx.paranoia_level=%u\"\n"
		 "SecAction \"id:900990,phase:1,nolog,pass,t:none,setvar:tx.crs_setup_version=334\"\n",
		 paranoia);
	if (msc_rules_add(c->rules, first, error) < 0 || glob(RULES, 0, NULL, &found))
		return false;
	bool good = true;
	for (size_t i = 0; i < found.gl_pathc && good; i++)
		good = msc_rules_add_file(c->rules, found.gl_pathv[i], error) >= 0;
	globfree(&found);
	return good;
}

int crs_new(unsigned paranoia, struct crs **ret, const char **ret_why)
{
	glob_t found;

	if (glob(RULES, 0, NULL, &found)) {
		*ret_why = "modsecurity-crs is not installed";
		return CRS_E_ABSENT;
	}
	globfree(&found);
	struct crs *c = calloc(1, sizeof *c);
	const char *error = NULL;
	if (!c)
		return -ENOMEM;
	c->engine = msc_init();
	msc_set_log_cb(c->engine, be_quiet);
	c->rules = msc_create_rules_set();
	if (!load_rules(c, paranoia, &error)) {
		fprintf(stderr, "modsecurity-crs: %s\n", error ? error : "rules cannot be read");
		crs_free(c);
		return -EINVAL;
	}
	*ret = c;
	return 0;
}

void crs_free(struct crs *c)
{
	if (!c)
		return;
	msc_rules_cleanup(c->rules);
	msc_cleanup(c->engine);
	free(c);
}

bool crs_alarm(struct crs *c, const struct stage *s)
{
	Transaction *t = msc_new_transaction(c->engine, c->rules, NULL);
	ModSecurityIntervention it = {.status = 200};
	const char *version = strncmp(s->version, "HTTP/", 5) == 0 ? s->version + 5 : s->version;

	msc_process_connection(t, "198.51.100.7", 40000, "192.0.2.1", 80);
	msc_process_uri(t, s->uri, s->method, version);
	for (unsigned i = 0; i < s->request.header_count; i++) {
		const struct http_header *h = &s->request.headers[i];
		msc_add_n_request_header(t, (const unsigned char *)h->name.ptr, h->name.len,
					 (const unsigned char *)h->value.ptr, h->value.len);
	}
	msc_process_request_headers(t);
	bool alarm = msc_intervention(t, &it) && it.disruptive;
	free(it.url);
	free(it.log);
	if (!alarm) {
		it = (ModSecurityIntervention){.status = 200};
		msc_process_request_body(t);
		alarm = msc_intervention(t, &it) && it.disruptive;
		free(it.url);
		free(it.log);
	}
	msc_transaction_cleanup(t);
	return alarm;
}

#else

int crs_new(unsigned paranoia, struct crs **ret, const char **ret_why)
{
	(void)paranoia;
	(void)ret;
	*ret_why = "built without libmodsecurity";
	return CRS_E_ABSENT;
}

void crs_free(struct crs *c)
{
	(void)c;
}

bool crs_alarm(struct crs *c, const struct stage *s)
{
	(void)c;
	(void)s;
	return false;
}
#endif
