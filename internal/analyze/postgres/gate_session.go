// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"strconv"
	"strings"

	pgquery "github.com/pganalyze/pg_query_go/v6"

	"github.com/sallyport-dev/sallyport"
)

// session handles what concerns the session alone.
func (w *walker) session(n *pgquery.Node) bool {
	g := w.g
	g.Answer = AnswerNone
	switch s := n.GetNode().(type) {
	case *pgquery.Node_TransactionStmt:
		w.transaction(s.TransactionStmt)
	case *pgquery.Node_VariableSetStmt:
		w.set(s.VariableSetStmt)
	case *pgquery.Node_VariableShowStmt:
		g.Class, g.Answer = "show", AnswerSetting
		g.Setting = &Setting{Verb: SettingShow, Name: strings.ToLower(s.VariableShowStmt.GetName())}
	case *pgquery.Node_FetchStmt:
		g.Class, g.Answer, g.Cursor = "fetch", AnswerCursor, s.FetchStmt.GetPortalname()
		if s.FetchStmt.GetIsmove() {
			g.Class, g.Answer = "move", AnswerNone
		}
	case *pgquery.Node_ClosePortalStmt:
		g.Class, g.Cursor = "close", s.ClosePortalStmt.GetPortalname()
		if g.Cursor == "" {
			g.Class, g.Drops.Cursors = "close all", true
		}
	case *pgquery.Node_DeallocateStmt:
		g.Class = "deallocate"
		g.Drops.Statement = s.DeallocateStmt.GetName()
		if g.Drops.Statement == "" {
			g.Class, g.Drops.Statements = "deallocate all", true
		}
	case *pgquery.Node_DiscardStmt:
		w.discard(s.DiscardStmt)
	case *pgquery.Node_UnlistenStmt:
		g.Class = "unlisten" // drivers send UNLISTEN * when they reset a session
	case *pgquery.Node_ConstraintsSetStmt:
		g.Class = "set constraints"
	default:
		return false
	}
	g.Utility = true
	w.effect(sallyport.Control)
	return true
}

func (w *walker) transaction(s *pgquery.TransactionStmt) {
	g := w.g
	switch s.GetKind() {
	case pgquery.TransactionStmtKind_TRANS_STMT_BEGIN, pgquery.TransactionStmtKind_TRANS_STMT_START:
		g.Class, g.Txn = "begin", Begin
	case pgquery.TransactionStmtKind_TRANS_STMT_COMMIT:
		g.Class, g.Txn = "commit", Commit
	case pgquery.TransactionStmtKind_TRANS_STMT_ROLLBACK:
		g.Class, g.Txn = "rollback", Rollback
	case pgquery.TransactionStmtKind_TRANS_STMT_SAVEPOINT:
		g.Class, g.Txn, g.Savepoint = "savepoint", Savepoint, s.GetSavepointName()
	case pgquery.TransactionStmtKind_TRANS_STMT_RELEASE:
		g.Class, g.Txn, g.Savepoint = "release", Release, s.GetSavepointName()
	case pgquery.TransactionStmtKind_TRANS_STMT_ROLLBACK_TO:
		g.Class, g.Txn, g.Savepoint = "rollback to", RollbackTo, s.GetSavepointName()
	default:
		g.Class = "prepare transaction"
		w.refuse("two-phase transactions are not allowed", "use plain transactions")
	}
	w.transactionModes(s.GetOptions())
}

// transactionModes lets only the modes of SET TRANSACTION pass.
func (w *walker) transactionModes(options []*pgquery.Node) {
	for _, n := range options {
		switch name := n.GetDefElem().GetDefname(); name {
		case "transaction_isolation", "transaction_read_only", "transaction_deferrable":
		default:
			w.refuse("the gateway does not know the transaction mode "+name, "")
		}
	}
}

func (w *walker) discard(s *pgquery.DiscardStmt) {
	g := w.g
	switch s.GetTarget() {
	case pgquery.DiscardMode_DISCARD_ALL:
		// Every setting returns to its start-up value, among them those by which
		// the gateway makes the server show its trees.
		g.Class = "discard all"
		g.Drops = Drops{Statements: true, Cursors: true, Settings: true, TempTables: true}
	case pgquery.DiscardMode_DISCARD_PLANS:
		g.Class = "discard plans"
	case pgquery.DiscardMode_DISCARD_SEQUENCES:
		g.Class = "discard sequences"
	case pgquery.DiscardMode_DISCARD_TEMP:
		g.Class, g.Drops.TempTables = "discard temp", true
	default:
		w.refuse("the gateway does not know this kind of DISCARD", "")
	}
}

// set handles SET and RESET.
func (w *walker) set(s *pgquery.VariableSetStmt) {
	g := w.g
	g.Class = "set"
	name := strings.ToLower(s.GetName())
	g.Setting = &Setting{Verb: SettingSet, Name: name, Local: s.GetIsLocal()}
	switch s.GetKind() {
	case pgquery.VariableSetKind_VAR_SET_VALUE:
		for _, a := range s.GetArgs() {
			v, ok := constText(a)
			if !ok {
				w.refuse("the gateway cannot read the value of this setting", "")
				return
			}
			g.Setting.Value = append(g.Setting.Value, v)
		}
	case pgquery.VariableSetKind_VAR_SET_DEFAULT:
	case pgquery.VariableSetKind_VAR_RESET:
		g.Class, g.Setting.Verb = "reset", SettingReset
	case pgquery.VariableSetKind_VAR_RESET_ALL:
		// Settings return to the values of the session's start-up, which are the
		// gateway's own.
		g.Class, g.Setting.Verb, g.Setting.Name = "reset all", SettingReset, "all"
		g.Drops.Settings = true
		return
	case pgquery.VariableSetKind_VAR_SET_MULTI:
		g.Class = "set transaction"
		if name != "transaction" && name != "session characteristics" {
			w.refuse("SET TRANSACTION SNAPSHOT is not allowed", "")
			return
		}
		w.transactionModes(s.GetArgs())
		return
	default:
		w.refuse("this form of SET is not allowed", "")
		return
	}
	if why := settingRefused(name, g.Setting.Value); why != "" {
		w.refuse("the setting "+settingName(name)+" may not be changed: "+why, "remove the SET, or have it set for the role on the server")
	}
}

// settingName keeps a client's own words out of messages: only names that look
// like a setting are repeated.
func settingName(name string) string {
	if len(name) > 63 {
		return "given"
	}
	for _, r := range name {
		if (r < 'a' || r > 'z') && r != '_' {
			return "given"
		}
	}
	return name
}

// settingRefused says why a client may not change a setting to these values
// (none: its default), or "". Only settings that change neither who asks, nor
// what is shown to the gateway, nor how text is read are listed.
func settingRefused(name string, value []string) string {
	only := func(allowed ...string) string {
		for _, a := range allowed {
			if len(value) == 0 || len(value) == 1 && strings.EqualFold(value[0], a) {
				return ""
			}
		}
		return "only the value " + allowed[0] + " is supported"
	}
	switch name {
	case "application_name", "search_path", "timezone", "datestyle", "intervalstyle", "statement_timeout",
		"lock_timeout", "idle_in_transaction_session_timeout", "idle_session_timeout", "transaction_timeout",
		"bytea_output", "xmloption", "xmlbinary", "transaction_isolation", "transaction_read_only",
		"transaction_deferrable", "default_transaction_isolation", "default_transaction_read_only",
		"default_transaction_deferrable", "work_mem", "maintenance_work_mem", "temp_buffers", "hash_mem_multiplier",
		"synchronous_commit", "row_security", "check_function_bodies", "default_text_search_config",
		"default_table_access_method", "default_tablespace", "default_toast_compression", "temp_tablespaces",
		"quote_all_identifiers", "array_nulls", "escape_string_warning", "plan_cache_mode", "jit",
		"constraint_exclusion", "cursor_tuple_fraction", "from_collapse_limit", "join_collapse_limit",
		"random_page_cost", "seq_page_cost", "cpu_tuple_cost", "cpu_index_tuple_cost", "cpu_operator_cost",
		"effective_cache_size", "effective_io_concurrency", "max_parallel_workers_per_gather",
		"max_parallel_maintenance_workers", "parallel_leader_participation", "parallel_setup_cost",
		"parallel_tuple_cost", "force_parallel_mode", "debug_parallel_query", "gin_fuzzy_search_limit", "icu_validation_level":
		return ""
	case "extra_float_digits":
		// Each number of digits below would be another value to an operator that adds
		// noise, and the mean of all answers the value itself.
		return only("1", "0", "2", "3")
	case "client_encoding":
		return only("UTF8", "utf-8", "unicode")
	case "standard_conforming_strings":
		return only("on", "true", "1", "yes")
	case "client_min_messages", "role", "session_authorization", "session_replication_role":
		return "the gateway relies on it"
	}
	if strings.HasPrefix(name, "enable_") || strings.HasPrefix(name, "geqo") {
		return ""
	}
	return "it is not on the list of settings that are safe"
}

// constText returns a SET value as text.
func constText(n *pgquery.Node) (string, bool) {
	c := n.GetAConst()
	if c == nil {
		if tc := n.GetTypeCast(); tc != nil { // SET TIME ZONE INTERVAL '...'
			return constText(tc.GetArg())
		}
		return "", false
	}
	switch v := c.GetVal().(type) {
	case *pgquery.A_Const_Sval:
		return v.Sval.GetSval(), true
	case *pgquery.A_Const_Ival:
		return strconv.Itoa(int(v.Ival.GetIval())), true
	case *pgquery.A_Const_Fval:
		return v.Fval.GetFval(), true
	case *pgquery.A_Const_Boolval:
		return strconv.FormatBool(v.Boolval.GetBoolval()), true
	}
	return "", false
}
