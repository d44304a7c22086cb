// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquery

// Class is what sort of thing a method does.
type Class uint8

// The classes.
const (
	ClassUnknown    Class = iota
	ClassMetadata         // reads what a thing is
	ClassList             // lists things
	ClassRead             // reads rows
	ClassJob              // starts jobs, follows or ends them
	ClassWrite            // writes rows
	ClassDefine           // makes or changes structure
	ClassDestroy          // removes structure
	ClassAdminister       // reads or changes who may do what
)

// Method is one method of the interface.
type Method struct {
	ID   string // "bigquery.tables.get"
	HTTP string
	// Path is the template below /bigquery/v2/. A verb after a colon ends it where
	// the method has one.
	Path string
	// Params are the query parameters, a word each; "name=type" where the type is
	// not string, with a "*" behind it where there may be several.
	Params string
	Class  Class
	// Request and Answer name the schemas of the bodies; empty for none.
	Request, Answer string
	// Media is true for the method that takes a file along.
	Media bool
}

// Templates of paths.
const (
	pathProjects = "projects"
	pathProject  = pathProjects + "/{projectId}"
	pathJobs     = pathProject + "/jobs"
	pathJob      = pathJobs + "/{jobId}"
	pathQueries  = pathProject + "/queries"
	pathDatasets = pathProject + "/datasets"
	pathDataset  = pathDatasets + "/{datasetId}"
	pathModels   = pathDataset + "/models"
	pathModel    = pathModels + "/{modelId}"
	pathRoutines = pathDataset + "/routines"
	pathRoutine  = pathRoutines + "/{routineId}"
	pathTables   = pathDataset + "/tables"
	pathTable    = pathTables + "/{tableId}"
	pathPolicies = pathTable + "/rowAccessPolicies"
	pathPolicy   = pathPolicies + "/{policyId}"
)

const (
	paging = "maxResults=uint32 pageToken"
	int64s = "formatOptions.useInt64Timestamp=boolean"
)

// table is every method of the second version of the interface.
var table = [...]Method{
	{ID: "bigquery.datasets.delete", HTTP: "DELETE", Path: pathDataset, Params: "deleteContents=boolean", Class: ClassDestroy},
	{ID: "bigquery.datasets.get", HTTP: "GET", Path: pathDataset, Params: "accessPolicyVersion=int32 datasetView", Class: ClassMetadata, Answer: "Dataset"},
	{ID: "bigquery.datasets.insert", HTTP: "POST", Path: pathDatasets, Params: "accessPolicyVersion=int32", Class: ClassDefine, Request: "Dataset", Answer: "Dataset"},
	{ID: "bigquery.datasets.list", HTTP: "GET", Path: pathDatasets, Params: "all=boolean filter " + paging, Class: ClassList, Answer: "DatasetList"},
	{ID: "bigquery.datasets.patch", HTTP: "PATCH", Path: pathDataset, Params: "accessPolicyVersion=int32 updateMode", Class: ClassDefine, Request: "Dataset", Answer: "Dataset"},
	{ID: "bigquery.datasets.undelete", HTTP: "POST", Path: pathDataset + ":undelete", Class: ClassDefine, Request: "UndeleteDatasetRequest", Answer: "Dataset"},
	{ID: "bigquery.datasets.update", HTTP: "PUT", Path: pathDataset, Params: "accessPolicyVersion=int32 updateMode", Class: ClassDefine, Request: "Dataset", Answer: "Dataset"},

	{ID: "bigquery.jobs.cancel", HTTP: "POST", Path: pathJob + "/cancel", Params: "location", Class: ClassJob, Answer: "JobCancelResponse"},
	{ID: "bigquery.jobs.delete", HTTP: "DELETE", Path: pathJob + "/delete", Params: "location", Class: ClassDestroy},
	{ID: "bigquery.jobs.get", HTTP: "GET", Path: pathJob, Params: "location", Class: ClassJob, Answer: "Job"},
	{ID: "bigquery.jobs.getQueryResults", HTTP: "GET", Path: pathQueries + "/{jobId}", Params: int64s + " location startIndex=uint64 timeoutMs=uint32 " + paging, Class: ClassRead, Answer: "GetQueryResultsResponse"},
	{ID: "bigquery.jobs.insert", HTTP: "POST", Path: pathJobs, Class: ClassJob, Request: "Job", Answer: "Job", Media: true},
	{ID: "bigquery.jobs.list", HTTP: "GET", Path: pathJobs, Params: "allUsers=boolean maxCreationTime=uint64 minCreationTime=uint64 parentJobId projection stateFilter=string* " + paging, Class: ClassList, Answer: "JobList"},
	{ID: "bigquery.jobs.query", HTTP: "POST", Path: pathQueries, Class: ClassJob, Request: "QueryRequest", Answer: "QueryResponse"},

	{ID: "bigquery.models.delete", HTTP: "DELETE", Path: pathModel, Class: ClassDestroy},
	{ID: "bigquery.models.get", HTTP: "GET", Path: pathModel, Class: ClassMetadata, Answer: "Model"},
	{ID: "bigquery.models.list", HTTP: "GET", Path: pathModels, Params: paging, Class: ClassList, Answer: "ListModelsResponse"},
	{ID: "bigquery.models.patch", HTTP: "PATCH", Path: pathModel, Class: ClassDefine, Request: "Model", Answer: "Model"},

	{ID: "bigquery.projects.getServiceAccount", HTTP: "GET", Path: pathProject + "/serviceAccount", Class: ClassMetadata, Answer: "GetServiceAccountResponse"},
	{ID: "bigquery.projects.list", HTTP: "GET", Path: pathProjects, Params: paging, Class: ClassList, Answer: "ProjectList"},

	{ID: "bigquery.routines.delete", HTTP: "DELETE", Path: pathRoutine, Class: ClassDestroy},
	{ID: "bigquery.routines.get", HTTP: "GET", Path: pathRoutine, Params: "readMask=google-fieldmask", Class: ClassMetadata, Answer: "Routine"},
	{ID: "bigquery.routines.getIamPolicy", HTTP: "POST", Path: pathRoutine + ":getIamPolicy", Class: ClassAdminister, Request: "GetIamPolicyRequest", Answer: "Policy"},
	{ID: "bigquery.routines.insert", HTTP: "POST", Path: pathRoutines, Class: ClassDefine, Request: "Routine", Answer: "Routine"},
	{ID: "bigquery.routines.list", HTTP: "GET", Path: pathRoutines, Params: "filter readMask=google-fieldmask " + paging, Class: ClassList, Answer: "ListRoutinesResponse"},
	{ID: "bigquery.routines.setIamPolicy", HTTP: "POST", Path: pathRoutine + ":setIamPolicy", Class: ClassAdminister, Request: "SetIamPolicyRequest", Answer: "Policy"},
	{ID: "bigquery.routines.update", HTTP: "PUT", Path: pathRoutine, Class: ClassDefine, Request: "Routine", Answer: "Routine"},

	{ID: "bigquery.rowAccessPolicies.batchDelete", HTTP: "POST", Path: pathPolicies + ":batchDelete", Class: ClassAdminister, Request: "BatchDeleteRowAccessPoliciesRequest"},
	{ID: "bigquery.rowAccessPolicies.delete", HTTP: "DELETE", Path: pathPolicy, Params: "force=boolean", Class: ClassAdminister},
	{ID: "bigquery.rowAccessPolicies.get", HTTP: "GET", Path: pathPolicy, Class: ClassMetadata, Answer: "RowAccessPolicy"},
	{ID: "bigquery.rowAccessPolicies.getIamPolicy", HTTP: "POST", Path: pathPolicy + ":getIamPolicy", Class: ClassAdminister, Request: "GetIamPolicyRequest", Answer: "Policy"},
	{ID: "bigquery.rowAccessPolicies.insert", HTTP: "POST", Path: pathPolicies, Class: ClassAdminister, Request: "RowAccessPolicy", Answer: "RowAccessPolicy"},
	{ID: "bigquery.rowAccessPolicies.list", HTTP: "GET", Path: pathPolicies, Params: "pageSize=int32 pageToken", Class: ClassList, Answer: "ListRowAccessPoliciesResponse"},
	{ID: "bigquery.rowAccessPolicies.testIamPermissions", HTTP: "POST", Path: pathPolicy + ":testIamPermissions", Class: ClassMetadata, Request: "TestIamPermissionsRequest", Answer: "TestIamPermissionsResponse"},
	{ID: "bigquery.rowAccessPolicies.update", HTTP: "PUT", Path: pathPolicy, Class: ClassAdminister, Request: "RowAccessPolicy", Answer: "RowAccessPolicy"},

	{ID: "bigquery.tabledata.insertAll", HTTP: "POST", Path: pathTable + "/insertAll", Class: ClassWrite, Request: "TableDataInsertAllRequest", Answer: "TableDataInsertAllResponse"},
	{ID: "bigquery.tabledata.list", HTTP: "GET", Path: pathTable + "/data", Params: int64s + " selectedFields startIndex=uint64 " + paging, Class: ClassRead, Answer: "TableDataList"},

	{ID: "bigquery.tables.delete", HTTP: "DELETE", Path: pathTable, Class: ClassDestroy},
	{ID: "bigquery.tables.get", HTTP: "GET", Path: pathTable, Params: "selectedFields view", Class: ClassMetadata, Answer: "Table"},
	{ID: "bigquery.tables.getIamPolicy", HTTP: "POST", Path: pathTable + ":getIamPolicy", Class: ClassAdminister, Request: "GetIamPolicyRequest", Answer: "Policy"},
	{ID: "bigquery.tables.insert", HTTP: "POST", Path: pathTables, Class: ClassDefine, Request: "Table", Answer: "Table"},
	{ID: "bigquery.tables.list", HTTP: "GET", Path: pathTables, Params: paging, Class: ClassList, Answer: "TableList"},
	{ID: "bigquery.tables.patch", HTTP: "PATCH", Path: pathTable, Params: "autodetect_schema=boolean", Class: ClassDefine, Request: "Table", Answer: "Table"},
	{ID: "bigquery.tables.setIamPolicy", HTTP: "POST", Path: pathTable + ":setIamPolicy", Class: ClassAdminister, Request: "SetIamPolicyRequest", Answer: "Policy"},
	{ID: "bigquery.tables.testIamPermissions", HTTP: "POST", Path: pathTable + ":testIamPermissions", Class: ClassMetadata, Request: "TestIamPermissionsRequest", Answer: "TestIamPermissionsResponse"},
	{ID: "bigquery.tables.update", HTTP: "PUT", Path: pathTable, Params: "autodetect_schema=boolean", Class: ClassDefine, Request: "Table", Answer: "Table"},
}

// Methods returns every method, by its id.
func Methods() []Method { return append([]Method(nil), table[:]...) }
