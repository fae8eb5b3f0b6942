// SPDX-License-Identifier: Apache-2.0
#include "lib/http_request.h"

const char *http_deviation_name(enum http_deviation bit)
{
	switch (bit) {
	case HTTP_DEV_BARE_LF:
		return "bare_lf";
	case HTTP_DEV_LEADING_EMPTY_LINE:
		return "leading_empty_line";
	case HTTP_DEV_EXTRA_SPACE:
		return "extra_space";
	case HTTP_DEV_BAD_VERSION:
		return "bad_version";
	case HTTP_DEV_NO_VERSION:
		return "no_version";
	case HTTP_DEV_BAD_METHOD:
		return "bad_method";
	case HTTP_DEV_BAD_TARGET:
		return "bad_target";
	case HTTP_DEV_OBS_FOLD:
		return "obs_fold";
	case HTTP_DEV_SPACE_BEFORE_COLON:
		return "space_before_colon";
	case HTTP_DEV_BAD_HEADER_NAME:
		return "bad_header_name";
	case HTTP_DEV_BAD_HEADER_VALUE:
		return "bad_header_value";
	case HTTP_DEV_NO_COLON:
		return "no_colon";
	case HTTP_DEV_TWO_CONTENT_LENGTHS:
		return "two_content_lengths";
	case HTTP_DEV_BAD_CONTENT_LENGTH:
		return "bad_content_length";
	case HTTP_DEV_CL_AND_TE:
		return "content_length_and_transfer_encoding";
	case HTTP_DEV_BAD_TRANSFER_ENCODING:
		return "bad_transfer_encoding";
	case HTTP_DEV_NO_HOST:
		return "no_host";
	case HTTP_DEV_TWO_HOSTS:
		return "two_hosts";
	case HTTP_DEV_TOO_MANY_HEADERS:
		return "too_many_headers";
	case HTTP_DEV_HEAD_TOO_LARGE:
		return "head_too_large";
	case HTTP_DEV_BAD_CHUNK:
		return "bad_chunk";
	case HTTP_DEV_AFTER_GAP:
		return "after_gap";
	case HTTP_DEV_IN_BODY:
		return "in_doubtful_body";
	case HTTP_DEV_JUNK_BEFORE:
		return "junk_before";
	case HTTP_DEV_BAD_HOST:
		return "bad_host";
	case HTTP_DEV_HOST_MISMATCH:
		return "host_mismatch";
	}
	return "unknown";
}

const char *http_anomaly_name(enum http_deviation bit)
{
	switch (bit) {
	case HTTP_DEV_NO_VERSION:
		return "http_request_line_missing_protocol";
	case HTTP_DEV_BAD_METHOD:
		return "http_request_line_invalid";
	case HTTP_DEV_OBS_FOLD:
		return "http_invalid_request_field_folding";
	case HTTP_DEV_SPACE_BEFORE_COLON:
	case HTTP_DEV_BAD_HEADER_NAME:
		return "http_request_header_invalid";
	case HTTP_DEV_NO_COLON:
		return "http_request_field_missing_colon";
	case HTTP_DEV_TWO_CONTENT_LENGTHS:
		return "http_duplicate_content_length_field_in_request";
	case HTTP_DEV_BAD_CONTENT_LENGTH:
		return "http_invalid_content_length_field_in_request";
	case HTTP_DEV_BAD_TRANSFER_ENCODING:
		return "http_invalid_transfer_encoding_value_in_request";
	case HTTP_DEV_NO_HOST:
		return "http_missing_host_header";
	case HTTP_DEV_TWO_HOSTS:
		return "http_request_header_repetition";
	case HTTP_DEV_BAD_HOST:
		return "http_request_header_host_invalid";
	case HTTP_DEV_HOST_MISMATCH:
		return "http_host_header_ambiguous";
	case HTTP_DEV_TOO_MANY_HEADERS:
		return "http_request_too_many_headers";
	case HTTP_DEV_HEAD_TOO_LARGE:
		return "http_request_field_too_long";
	case HTTP_DEV_BAD_CHUNK:
		return "http_invalid_request_chunk_length";
	default:
		return http_deviation_name(bit);
	}
}

struct span http_request_header(const struct http_request *r, const char *name)
{
	struct span wanted = span_from(name);

	for (unsigned i = 0; i < r->header_count; i++)
		if (span_equal_nocase(r->headers[i].name, wanted))
			return r->headers[i].value;
	return SPAN_NULL;
}
