// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import "strings"

// verdict is what the analysis thinks of a function.
type verdict struct {
	why string // why its result is unknown; "" for a function of its arguments
}

// function says why the result of a function may derive from more than its
// arguments, or "". Functions that are not proved pure are recorded as calls,
// each once, and those that may never be called refuse the statement.
func (l *lineage) function(oid uint32) string {
	if v, ok := l.functions[oid]; ok {
		return v.why
	}
	why := l.judge(oid)
	l.functions[oid] = verdict{why}
	return why
}

func (l *lineage) judge(oid uint32) string {
	f, ok := l.cat.Function(oid)
	if !ok {
		l.missing[oid] = true
		return l.unproved(Call{Function: oid})
	}
	if oid >= firstNormalOID {
		if f.Pure {
			return ""
		}
		return l.unproved(Call{Function: oid})
	}
	if why := refusedFunction(f.Name); why != "" {
		if l.refused == "" {
			l.refused = "the function " + f.Name + " may not be called: " + why
		}
		return l.unproved(Call{Function: oid})
	}
	if f.Volatility == 'i' && (f.Language == "internal" || f.Language == "sql") {
		return ""
	}
	if harmless(f.Name) {
		return ""
	}
	return l.unproved(Call{Function: oid})
}

func (l *lineage) unproved(c Call) string {
	for _, known := range l.calls {
		if known == c {
			return "a function that is not known to be pure"
		}
	}
	l.calls = append(l.calls, c)
	return "a function that is not known to be pure"
}

// harmless lists the built-in functions that are marked stable or volatile and
// yet return no data but that of their arguments: those that depend on the time,
// on settings, on the structure of the database, on its sizes or on chance.
// What shows statements, rows or samples of others is left out on purpose.
func harmless(name string) bool {
	switch name {
	// time
	case "now", "transaction_timestamp", "statement_timestamp", "clock_timestamp", "timeofday", "age", "date_part",
		"date_trunc", "extract", "date", "time", "timetz", "timestamp", "timestamptz", "timezone", "make_timestamptz",
		"date_add", "date_subtract", "overlaps", "in_range", "generate_series", "to_char", "to_date", "to_timestamp", "to_number",
		"timestamptz_pl_interval", "timestamptz_mi_interval", "interval_pl_timestamptz", "pg_timezone_names",
		"pg_timezone_abbrevs", "pg_timezone_abbrevs_abbrevs", "pg_timezone_abbrevs_zone":
		return true
	// text, conversions by settings, JSON and XML
	case "concat", "concat_ws", "format", "array_to_string", "textanycat", "anytextcat", "quote_literal", "quote_nullable",
		"convert", "convert_from", "convert_to", "length", "numeric", "money", "xml", "xml_is_well_formed", "regclass",
		"json_agg", "jsonb_agg", "json_agg_strict", "jsonb_agg_strict", "json_object_agg", "jsonb_object_agg",
		"json_object_agg_strict", "jsonb_object_agg_strict", "json_object_agg_unique", "jsonb_object_agg_unique",
		"json_object_agg_unique_strict", "jsonb_object_agg_unique_strict", "json_build_array",
		"json_build_object", "jsonb_build_array", "jsonb_build_object", "json_populate_record", "json_populate_recordset",
		"jsonb_populate_record", "jsonb_populate_recordset", "jsonb_populate_record_valid", "json_to_record",
		"json_to_recordset", "jsonb_to_record", "jsonb_to_recordset", "row_to_json", "array_to_json", "to_json", "to_jsonb",
		"jsonb_path_exists_tz", "jsonb_path_match_tz", "jsonb_path_query_tz", "jsonb_path_query_array_tz",
		"jsonb_path_query_first_tz", "json_to_tsvector", "jsonb_to_tsvector", "to_tsvector", "to_tsquery", "plainto_tsquery",
		"phraseto_tsquery", "websearch_to_tsquery", "ts_headline", "ts_parse", "ts_token_type", "ts_debug", "get_current_ts_config",
		"ts_match_tt", "ts_match_tq", "enum_first", "enum_last", "enum_range", "casefold":
		return true
	// who, where, which version, which settings
	case "current_database", "current_schema", "current_schemas", "current_user", "session_user", "system_user", "getpgusername",
		"user", "current_setting", "version", "getdatabaseencoding", "pg_client_encoding", "pg_char_to_encoding",
		"pg_encoding_to_char", "pg_encoding_max_length", "pg_backend_pid", "pg_my_temp_schema", "pg_is_other_temp_schema", "pg_postmaster_start_time",
		"pg_conf_load_time", "inet_client_addr", "inet_client_port", "inet_server_addr", "inet_server_port",
		"pg_is_in_recovery", "pg_jit_available", "pg_show_all_settings", "pg_settings_get_flags", "pg_trigger_depth",
		"pg_current_xact_id", "pg_current_xact_id_if_assigned", "pg_current_snapshot", "txid_current",
		"txid_current_if_assigned", "txid_current_snapshot", "txid_status", "pg_xact_status", "mxid_age",
		"pg_current_wal_lsn", "pg_current_wal_insert_lsn", "pg_current_wal_flush_lsn", "pg_last_wal_receive_lsn",
		"pg_last_wal_replay_lsn", "pg_last_xact_replay_timestamp", "pg_lock_status", "pg_blocking_pids",
		"pg_safe_snapshot_blocking_pids", "row_security_active":
		return true
	// structure
	case "format_type", "pg_input_is_valid", "pg_input_error_info", "pg_get_acl", "pg_get_wait_events", "pg_typeof", "pg_basetype", "pg_collation_for", "oidvectortypes", "obj_description", "col_description",
		"shobj_description", "pg_describe_object", "pg_identify_object", "pg_identify_object_as_address",
		"pg_get_object_address", "aclexplode", "acldefault", "makeaclitem", "pg_has_role", "pg_get_userbyid",
		"pg_options_to_table", "pg_sequence_parameters", "pg_sequence_last_value", "pg_get_sequence_data",
		"pg_indexam_has_property", "pg_index_has_property", "pg_index_column_has_property", "pg_relation_is_updatable",
		"pg_column_is_updatable", "pg_relation_is_publishable", "pg_get_replica_identity_index", "pg_get_publication_tables",
		"pg_partition_tree", "pg_partition_ancestors", "pg_partition_root", "pg_available_extensions",
		"pg_available_extension_versions", "pg_extension_update_paths", "pg_collation_actual_version",
		"pg_database_collation_actual_version", "pg_tablespace_location", "pg_tablespace_databases", "pg_filenode_relation",
		"pg_relation_filenode", "_pg_index_position", "pg_char_max_length", "pg_stat_have_stats":
		return true
	// size, chance, sequences, waiting, locks of the session's own
	case "pg_size_pretty", "pg_size_bytes", "pg_column_size", "pg_column_compression", "pg_column_toast_chunk_id",
		"pg_relation_size", "pg_table_size", "pg_indexes_size", "pg_total_relation_size", "pg_database_size", "pg_tablespace_size",
		"array_sample", "array_shuffle", "random", "random_normal", "setseed", "gen_random_uuid", "uuidv4", "uuidv7", "nextval", "currval", "lastval", "setval",
		"pg_sleep", "pg_sleep_for", "pg_sleep_until", "bernoulli", "system":
		return true
	}
	for _, prefix := range []string{
		"has_", "to_reg", "pg_advisory_", "pg_try_advisory_", "pg_get_catalog_foreign_keys",
		"pg_get_constraintdef", "pg_get_expr", "pg_get_function", "pg_get_indexdef", "pg_get_keywords", "pg_get_partition_constraintdef",
		"pg_get_partkeydef", "pg_get_ruledef", "pg_get_serial_sequence", "pg_get_statisticsobjdef", "pg_get_triggerdef",
		"pg_get_viewdef",
	} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return strings.HasPrefix(name, "pg_") && strings.HasSuffix(name, "_is_visible")
}
