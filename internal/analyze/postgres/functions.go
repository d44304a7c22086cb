// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import "strings"

// firstNormalOID is FirstNormalObjectId of access/transam.h: lower OIDs belong to
// objects that initdb made.
const firstNormalOID = 16384

// refusedFunction says why a built-in function may never be called through the
// gateway, or "" when it may. Each of these has a way to the outside of the
// answer's columns (a message, a file, another session, the log stream), runs
// text as a query, or switches off what the gateway relies on.
func refusedFunction(name string) string {
	switch name {
	case "set_config":
		return "it changes settings and can report a value to the client outside the answer"
	case "pg_notify":
		return "it sends a value to other sessions"
	case "query_to_xml", "query_to_xmlschema", "query_to_xml_and_xmlschema", "cursor_to_xml", "cursor_to_xmlschema",
		"table_to_xml", "table_to_xmlschema", "table_to_xml_and_xmlschema", "schema_to_xml", "schema_to_xmlschema",
		"schema_to_xml_and_xmlschema", "database_to_xml", "database_to_xmlschema", "database_to_xml_and_xmlschema",
		"ts_stat", "ts_rewrite":
		return "it runs text as a query or reads whole tables"
	case "loread", "lowrite", "currtid", "currtid2", "lo_import", "lo_export", "lo_create", "lo_creat", "lo_open",
		"lo_close", "lo_unlink", "lo_lseek", "lo_lseek64", "lo_tell", "lo_tell64", "lo_truncate", "lo_truncate64",
		"lo_from_bytea", "lo_get", "lo_put":
		return "it reads data by an address that has no label"
	case "pg_terminate_backend", "pg_cancel_backend", "pg_reload_conf", "pg_rotate_logfile", "pg_rotate_logfile_old",
		"pg_promote", "pg_switch_wal", "pg_create_restore_point", "pg_start_backup", "pg_stop_backup",
		"pg_backup_start", "pg_backup_stop", "pg_wal_replay_pause", "pg_wal_replay_resume", "pg_log_standby_snapshot",
		"pg_log_backend_memory_contexts", "pg_signal_autovacuum_worker", "pg_hba_file_rules",
		"pg_ident_file_mappings", "pg_show_all_file_settings", "pg_current_logfile":
		return "it controls or reveals the server itself"
	case "binary_upgrade_set_record_init_privs", "pg_nextoid", "pg_get_wal_replay_pause_state", "pg_relation_check_pages",
		"pg_export_snapshot":
		return "it is for the server's own tools"
	}
	for _, p := range []struct{ prefix, why string }{
		{"pg_read_", "it reads files of the server"},
		{"pg_ls_", "it lists files of the server"},
		{"pg_stat_file", "it reads files of the server"},
		{"pg_file_", "it writes files of the server"},
		{"pg_logfile_", "it reads files of the server"},
		{"pg_logical_", "it reads the change stream"},
		{"pg_replication_", "it belongs to replication"},
		{"pg_create_logical_", "it belongs to replication"},
		{"pg_create_physical_", "it belongs to replication"},
		{"pg_copy_logical_", "it belongs to replication"},
		{"pg_copy_physical_", "it belongs to replication"},
		{"pg_drop_replication_", "it belongs to replication"},
		{"pg_sync_replication_", "it belongs to replication"},
		{"pg_restore_", "it changes the planner's statistics"},
		{"pg_clear_", "it changes the planner's statistics"},
		{"binary_upgrade_", "it is for the server's own tools"},
		{"dblink", "it opens a connection of its own"},
		{"pg_stat_reset", "it erases the server's statistics"},
		{"postgres_fdw_", "it opens a connection of its own"},
	} {
		if strings.HasPrefix(name, p.prefix) {
			return p.why
		}
	}
	return ""
}
