// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"regexp"
	"strings"
)

// isTotal reports whether a built-in function never makes a statement fail
// whatever its arguments are. A function that is not listed here may: whether the
// statement fails then tells something about every column around it. An array that
// is made is not listed, because one with a NULL in it cannot be answered with.
func isTotal(name string) bool {
	if strings.HasPrefix(name, "safe_") || strings.HasPrefix(name, "$safe_") || strings.HasPrefix(name, "$extract") {
		return true
	}
	switch name {
	case "$equal", "$not_equal", "$less", "$less_or_equal", "$greater", "$greater_or_equal", "$between", "$in",
		"$and", "$or", "$not", "$is_null", "$is_true", "$is_false", "$is_distinct_from", "$is_not_distinct_from",
		"if", "ifnull", "nullif", "coalesce", "$case_no_value", "$case_with_value",
		"concat", "$concat_op", "upper", "lower", "length", "char_length", "character_length", "byte_length",
		"octet_length", "trim", "ltrim", "rtrim", "reverse", "starts_with", "ends_with", "strpos", "initcap",
		"to_hex", "to_base64", "to_base32", "to_json_string", "md5", "sha1", "sha256", "sha512", "farm_fingerprint",
		"soundex", "current_date", "current_timestamp", "current_datetime",
		"current_time", "rand", "session_user", "generate_uuid", "pi",
		"count", "$count_star", "countif", "min", "max", "any_value", "string_agg", "logical_and", "logical_or",
		"approx_count_distinct", "approx_top_count",
		"row_number", "rank", "dense_rank", "percent_rank", "cume_dist", "first_value", "last_value",
		"lag", "lead", "nth_value", "ntile", // their offsets are constants
		"array_length", "grouping":
		return true
	}
	return false
}

// takesCount reports whether a function fails on none but a negative number.
func takesCount(name string) bool {
	switch name {
	case "substr", "left", "right":
		return true
	}
	return false
}

// takesPattern reports whether a function cannot fail with a pattern, path or
// separator.
func takesPattern(name, pattern string) bool {
	switch name {
	case "regexp_contains", "regexp_extract":
		re, err := regexp.Compile(pattern)
		return err == nil && re.NumSubexp() <= 1
	case "$like", "$not_like":
		return !strings.Contains(pattern, `\`)
	case "json_value", "json_query", "json_extract", "json_extract_scalar":
		return simplePath.MatchString(pattern)
	case "split":
		return true
	}
	return false
}

// simplePath is a JSON path that every version takes.
var simplePath = regexp.MustCompile(`^\$(\.[A-Za-z_][A-Za-z0-9_]*)*$`)

// passesElement reports whether a function's value is one of the elements, or an
// array of the values, of its first argument: fields of it are fields of that.
func passesElement(name string) bool {
	switch name {
	case "$array_at_offset", "$array_at_ordinal", "$safe_array_at_offset", "$safe_array_at_ordinal",
		"$subscript", "any_value", "min", "max", "array_agg", "array_reverse", "first_value", "last_value", "nth_value", "lag", "lead",
		"array_first", "array_last":
		return true
	}
	return false
}
