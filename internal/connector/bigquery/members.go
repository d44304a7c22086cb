// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquery

import (
	"encoding/json"

	analyze "github.com/sallyport-dev/sallyport/internal/analyze/bigquery"
	"github.com/sallyport-dev/sallyport/internal/mask"
)

// members are those of the call's answer that pass.
func (e *exchange) members(s *seen) ([]mask.BQMember, error) {
	switch {
	case e.call.Answer == analyze.AnswerRows:
		return e.rowsMembers(s)
	case e.call.Answer == analyze.AnswerJob, e.call.Upload == analyze.UploadContinue:
		return e.jobMembers()
	case e.call.Answer == analyze.AnswerMetadata:
		return e.metadataMembers(), nil
	}
	errs, err := e.errorMembers()
	return append(keep("kind", "etag"), mask.BQMember{Name: "insertErrors", Do: mask.BQPick, Members: append(keep("index"), pick("errors", errs))}), err
}

func keep(names ...string) []mask.BQMember {
	var out []mask.BQMember
	for _, n := range names {
		out = append(out, mask.BQMember{Name: n, Do: mask.BQKeep})
	}
	return out
}

func pick(name string, members []mask.BQMember) mask.BQMember {
	return mask.BQMember{Name: name, Do: mask.BQPick, Members: members}
}

// set puts a text of the gateway's own in place of a member.
func set(name, value string) (mask.BQMember, error) {
	b, err := json.Marshal(value)
	return mask.BQMember{Name: name, Do: mask.BQSet, Value: mask.Synthetic(b)}, err
}

// errorMembers are those of an error within an answer.
func (e *exchange) errorMembers() ([]mask.BQMember, error) {
	if e.open() {
		return keep("reason", "location", "message"), nil
	}
	m, err := set("message", "the target's message is withheld, since it can hold what this role may not see")
	return append(keep("reason"), m), err
}

func schemaMembers() []mask.BQMember {
	m := append(keep("name", "type", "mode", "maxLength", "precision", "scale", "rangeElementType", "collation"), mask.BQMember{Name: "fields", Do: mask.BQPick})
	m[len(m)-1].Members = m
	return m
}

func (e *exchange) rowsMembers(s *seen) ([]mask.BQMember, error) {
	errs, err := e.errorMembers()
	if err != nil {
		return nil, err
	}
	out := append(keep("kind", "etag", "totalRows", "totalBytesProcessed", "totalBytesBilled", "totalSlotMs", "jobComplete", "cacheHit", "numDmlAffectedRows", "dmlStats",
		"location", "creationTime", "startTime", "endTime", "statementType"),
		pick("jobReference", keep("projectId", "jobId", "location")), pick("schema", schemaMembers()), pick("errors", errs), pick("sessionInfo", keep("sessionId")),
		pick("jobCreationReason", keep("code")), mask.BQMember{Name: "rows", Do: mask.BQRows})
	if s.PageToken == "" {
		return out, nil
	}
	token, err := e.t.tokens.seal(e.purpose("page"), s.PageToken)
	if err != nil {
		return nil, err
	}
	m, err := set("pageToken", token)
	return append(out, m), err
}

// jobMembers are those of a job, of a list of jobs, and of the answer to a
// cancellation. The configuration is the client's own, but for labels and system
// variables: a script can make both of what it reads. So can how a query was carried
// out hold it, which does not pass.
func (e *exchange) jobMembers() ([]mask.BQMember, error) {
	errs, err := e.errorMembers()
	if err != nil {
		return nil, err
	}
	query := append(keep("statementType", "totalBytesProcessed", "totalBytesProcessedAccuracy", "estimatedBytesProcessed", "totalBytesBilled", "billingTier", "cacheHit",
		"numDmlAffectedRows", "dmlStats", "ddlOperationPerformed", "ddlTargetTable", "ddlTargetDataset", "ddlTargetRoutine", "referencedTables", "totalPartitionsProcessed",
		"totalSlotMs", "undeclaredQueryParameters"), pick("schema", schemaMembers()))
	statistics := append(keep("creationTime", "startTime", "endTime", "totalBytesProcessed", "totalSlotMs", "completionRatio", "finalExecutionDurationMs", "numChildJobs"),
		pick("query", query), pick("load", keep("inputFiles", "inputFileBytes", "outputRows", "outputBytes", "badRecords")),
		pick("extract", keep("destinationUriFileCounts", "inputBytes")), pick("copy", keep("copiedRows", "copiedLogicalBytes")), pick("sessionInfo", keep("sessionId")))
	configuration := append(keep("jobType", "jobTimeoutMs", "dryRun", "reservation", "load", "copy", "extract"),
		pick("query", keep("query", "useLegacySql", "useQueryCache", "priority", "parameterMode", "queryParameters", "defaultDataset", "destinationTable", "createDisposition",
			"writeDisposition", "allowLargeResults", "flattenResults", "maximumBillingTier", "maximumBytesBilled", "preserveNulls", "schemaUpdateOptions", "scriptOptions",
			"tableDefinitions", "timePartitioning", "rangePartitioning", "clustering", "destinationEncryptionConfiguration", "connectionProperties", "createSession",
			"userDefinedFunctionResources", "writeIncrementalResults", "continuous")))
	job := append(keep("kind", "etag", "id", "state"), pick("configuration", configuration),
		pick("jobReference", keep("projectId", "jobId", "location")), pick("status", append(keep("state"), pick("errorResult", errs), pick("errors", errs))),
		pick("errorResult", errs), pick("statistics", statistics))
	return append(job, pick("job", job), pick("jobs", job), mask.BQMember{Name: "nextPageToken", Do: mask.BQKeep}), nil
}

// metadataMembers are those of descriptions of things. Texts that people wrote can
// hold anything, so that they are scanned.
func (e *exchange) metadataMembers() []mask.BQMember {
	out := keep("kind", "id", "etag", "type", "location", "projectId", "datasetId", "tableId", "modelId", "routineId", "policyId", "numRows", "numBytes", "numLongTermBytes",
		"numTotalLogicalBytes", "numActiveLogicalBytes", "numLongTermLogicalBytes", "creationTime", "createdTime", "lastModifiedTime", "expirationTime", "snapshotTime",
		"defaultTableExpirationMs", "defaultPartitionExpirationMs", "defaultCollation", "maxTimeTravelHours", "storageBillingModel", "isCaseInsensitive", "numericId",
		"totalItems", "nextPageToken", "language", "routineType", "modelType", "mode", "name", "maxLength", "precision", "scale", "rangeElementType", "collation", "field",
		"requirePartitionFilter", "expirationMs", "useLegacySql", "version", "bindings", "permissions", "email", "timePartitioning", "rangePartitioning", "clustering",
		"access", "policyTags", "returnType", "returnTableType", "argumentKind", "dataType", "tableConstraints", "streamingBuffer")
	for _, name := range []string{"description", "friendlyName", "query", "labels", "definitionBody", "filterPredicate", "defaultValueExpression"} {
		out = append(out, mask.BQMember{Name: name, Do: mask.BQFormat, Format: e.t.cfg.Masking.JSON()})
	}
	first := len(out)
	for _, name := range []string{
		"datasetReference", "tableReference", "projectReference", "modelReference", "routineReference", "rowAccessPolicyReference", "datasets", "tables", "projects", "models",
		"routines", "rowAccessPolicies", "schema", "fields", "view", "materializedView", "snapshotDefinition", "baseTableReference", "arguments",
	} {
		out = append(out, mask.BQMember{Name: name, Do: mask.BQPick})
	}
	for i := first; i < len(out); i++ {
		out[i].Members = out
	}
	return out
}
