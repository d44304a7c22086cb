// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/analyze/postgres"
)

// Labels of system catalogues.
const (
	// System is the label of a column of the server's own catalogue that holds
	// neither data nor secrets.
	System sallyport.Label = "system"
	// Secret is the label of passwords and what holds them.
	Secret sallyport.Label = "secret"
)

// firstUserOID is the first OID of an object that did not come with the server
// (FirstNormalObjectId).
const firstUserOID = 16384

// labelSystem labels the columns of a relation that came with the server.
// Columns that hold samples of data or free words are left out: without a label
// they are unclassified. Views are left out too, since a query of one is traced to
// its base.
func labelSystem(r *postgres.Relation) {
	if r.Schema != "pg_catalog" && r.Schema != "information_schema" || r.Kind != 'r' {
		return
	}
	for n, c := range r.Columns {
		switch {
		case isSecret(r.Name, c.Name):
			c.Labels = []sallyport.Label{Secret}
		case !holdsValues(r.Name, c.Name):
			c.Labels = []sallyport.Label{System}
		}
		r.Columns[n] = c
	}
}

// isSecret reports whether a system column may hold a password.
func isSecret(table, column string) bool {
	switch table {
	case "pg_authid":
		return column == "rolpassword"
	case "pg_user_mapping":
		return column == "umoptions"
	case "pg_subscription":
		return column == "subconninfo"
	case "pg_foreign_server":
		return column == "srvoptions"
	case "pg_foreign_data_wrapper":
		return column == "fdwoptions"
	}
	return false
}

// holdsValues reports whether a system column may hold values out of tables, or
// words that anybody wrote. Expressions of definitions (defaults, constraints,
// function bodies) are structure and do not count.
func holdsValues(table, column string) bool {
	switch table {
	case "pg_statistic": // samples of values and how often each occurs
		return strings.HasPrefix(column, "stavalues") || strings.HasPrefix(column, "stanumbers")
	case "pg_statistic_ext_data":
		return column != "stxoid" && column != "stxdinherit"
	case "pg_largeobject":
		return column == "data"
	case "pg_attribute": // the value of rows that are older than the column
		return column == "attmissingval"
	case "pg_db_role_setting":
		return column == "setconfig"
	case "pg_foreign_table":
		return column == "ftoptions"
	case "pg_description", "pg_shdescription":
		return column == "description"
	}
	return false
}
