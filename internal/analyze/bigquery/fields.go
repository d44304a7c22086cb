// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquery

// fieldsOf says which fields each schema of a request has, a word each, with
// their types: none for a text, "n" for a number, "b" for a boolean, "s" for any
// of the three, "any" for whatever there is, "@Name" for another schema, "[]"
// before the type of a list's elements, "{}" before that of the values of an
// object with free names. "-" is a field that the service fills in alone: it is
// dropped. "!" is a field that the gateway knows and does not let pass, unless it
// is false or empty.
var fieldsOf = map[string]string{
	"Job": `configuration:@JobConfiguration etag:- id:- jobCreationReason:- jobReference:@JobReference kind:- principal_subject:-
		selfLink:- statistics:- status:- user_email:-`,
	"QueryRequest": `connectionProperties:[]@ConnectionProperty continuous:! createSession:b defaultDataset:@DatasetReference
		destinationEncryptionConfiguration:@EncryptionConfiguration dryRun:b formatOptions:@DataFormatOptions jobCreationMode
		jobTimeoutMs:n kind labels:{}t location maxResults:n maximumBytesBilled:n parameterMode preserveNulls:b query
		queryParameters:[]@QueryParameter requestId reservation timeoutMs:n useLegacySql:b useQueryCache:b
		writeIncrementalResults:b`,
	"TableDataInsertAllRequest": `ignoreUnknownValues:b kind rows:[]@TableDataInsertAllRequestRows skipInvalidRows:b templateSuffix traceId`,
	"Table": `biglakeConfiguration:@BigLakeConfiguration cloneDefinition:- clustering:@Clustering creationTime:- defaultCollation
		defaultRoundingMode description encryptionConfiguration:@EncryptionConfiguration etag:- expirationTime:n
		externalCatalogTableOptions:! externalDataConfiguration:@ExternalDataConfiguration
		friendlyName id:- kind labels:{}t lastModifiedTime:- location:- managedTableType
		materializedView:@MaterializedViewDefinition materializedViewStatus:- maxStaleness model:!
		numActiveLogicalBytes:- numActivePhysicalBytes:- numBytes:- numCurrentPhysicalBytes:- numLongTermBytes:-
		numLongTermLogicalBytes:- numLongTermPhysicalBytes:- numPartitions:- numPhysicalBytes:- numRows:-
		numTimeTravelPhysicalBytes:- numTotalLogicalBytes:- numTotalPhysicalBytes:- partitionDefinition:@PartitioningDefinition
		rangePartitioning:@RangePartitioning replicas:- requirePartitionFilter:b resourceTags:{}t restrictions:-
		schema:@TableSchema selfLink:- snapshotDefinition:- streamingBuffer:- tableConstraints:@TableConstraints
		tableReference:@TableReference tableReplicationInfo:@TableReplicationInfo timePartitioning:@TimePartitioning type:-
		view:@ViewDefinition`,
	"Dataset": `access:[]@DatasetAccess creationTime:- datasetReference:@DatasetReference defaultCollation
		defaultEncryptionConfiguration:@EncryptionConfiguration defaultPartitionExpirationMs:n defaultRoundingMode
		defaultTableExpirationMs:n description etag:- externalCatalogDatasetOptions:!
		externalDatasetReference:! friendlyName id:- isCaseInsensitive:! kind:- labels:{}t
		lastModifiedTime:- linkedDatasetMetadata:- linkedDatasetSource:@LinkedDatasetSource location maxTimeTravelHours:n
		resourceTags:{}t restrictions:- satisfiesPzi:- satisfiesPzs:- selfLink:- storageBillingModel tags:- type:-`,
	"Routine": `arguments:[]@Argument creationTime:- dataGovernanceType definitionBody description determinismLevel etag:-
		externalRuntimeOptions:@ExternalRuntimeOptions importedLibraries:[]t language lastModifiedTime:-
		pythonOptions:@PythonOptions remoteFunctionOptions:@RemoteFunctionOptions returnTableType:@StandardSqlTableType
		returnType:@StandardSqlDataType routineReference:@RoutineReference routineType securityMode sparkOptions:@SparkOptions
		strictMode:b`,
	"Model": `bestTrialId:n creationTime:- defaultTrialId:- description encryptionConfiguration:@EncryptionConfiguration etag:-
		expirationTime:n featureColumns:- friendlyName hparamSearchSpaces:- hparamTrials:- labelColumns:- labels:{}t
		lastModifiedTime:- location:- modelReference:@ModelReference modelType:- optimalTrialIds:- remoteModelInfo:-
		trainingRuns:[]@TrainingRun transformColumns:-`,
	"RowAccessPolicy":                     `creationTime:- etag:- filterPredicate grantees:[]t lastModifiedTime:- rowAccessPolicyReference:@RowAccessPolicyReference`,
	"SetIamPolicyRequest":                 `policy:@Policy updateMask`,
	"GetIamPolicyRequest":                 `options:@GetPolicyOptions`,
	"TestIamPermissionsRequest":           `permissions:[]t`,
	"BatchDeleteRowAccessPoliciesRequest": `force:b policyIds:[]t`,
	"UndeleteDatasetRequest":              `deletionTime`,
	"JobConfiguration": `copy:@JobConfigurationTableCopy dryRun:b extract:@JobConfigurationExtract jobTimeoutMs:n jobType:- labels:{}t
		load:@JobConfigurationLoad query:@JobConfigurationQuery reservation`,
	"JobReference":                  `jobId location projectId`,
	"ConnectionProperty":            `key value`,
	"DatasetReference":              `datasetId projectId`,
	"EncryptionConfiguration":       `kmsKeyName`,
	"DataFormatOptions":             `useInt64Timestamp:b`,
	"QueryParameter":                `name parameterType:@QueryParameterType parameterValue:@QueryParameterValue`,
	"TableDataInsertAllRequestRows": `insertId json:any`,
	"BigLakeConfiguration":          `connectionId fileFormat storageUri tableFormat`,
	"Clustering":                    `fields:[]t`,
	"ExternalDataConfiguration": `autodetect:b avroOptions:@AvroOptions bigtableOptions:@BigtableOptions compression connectionId csvOptions:@CsvOptions
		dateFormat datetimeFormat decimalTargetTypes:[]t fileSetSpecType googleSheetsOptions:@GoogleSheetsOptions
		hivePartitioningOptions:@HivePartitioningOptions ignoreUnknownValues:b jsonExtension jsonOptions:@JsonOptions
		maxBadRecords:n metadataCacheMode objectMetadata parquetOptions:@ParquetOptions referenceFileSchemaUri
		schema:@TableSchema sourceFormat sourceUris:[]t timeFormat timeZone timestampFormat`,
	"MaterializedViewDefinition": `allowNonIncrementalDefinition:b enableRefresh:b lastRefreshTime:- maxStaleness query refreshIntervalMs:n`,
	"PartitioningDefinition":     `partitionedColumn:[]@PartitionedColumn`,
	"RangePartitioning":          `field range:@RangePartitioningRange`,
	"TableSchema":                `fields:[]@TableFieldSchema foreignTypeInfo:@ForeignTypeInfo`,
	"TableConstraints":           `foreignKeys:[]@TableConstraintsForeignKeys primaryKey:@TableConstraintsPrimaryKey`,
	"TableReference":             `datasetId projectId tableId`,
	"TableReplicationInfo": `replicatedSourceLastRefreshTime:- replicationError:- replicationIntervalMs:n replicationStatus:-
		sourceTable:@TableReference`,
	"TimePartitioning": `expirationMs:n field requirePartitionFilter:b type`,
	"ViewDefinition": `foreignDefinitions:! privacyPolicy:@PrivacyPolicy query useExplicitColumnNames:b useLegacySql:b
		userDefinedFunctionResources:!`,
	"DatasetAccess": `condition:@Expr dataset:@DatasetAccessEntry domain groupByEmail iamMember role routine:@RoutineReference specialGroup
		userByEmail view:@TableReference`,
	"LinkedDatasetSource":    `sourceDataset:@DatasetReference`,
	"Argument":               `argumentKind dataType:@StandardSqlDataType isAggregate:b mode name`,
	"ExternalRuntimeOptions": `containerCpu:n containerMemory maxBatchingRows:n runtimeConnection runtimeVersion`,
	"PythonOptions":          `entryPoint packages:[]t`,
	"RemoteFunctionOptions":  `connection endpoint maxBatchingRows:n userDefinedContext:{}t`,
	"StandardSqlTableType":   `columns:[]@StandardSqlField`,
	"StandardSqlDataType":    `arrayElementType:@StandardSqlDataType rangeElementType:@StandardSqlDataType structType:@StandardSqlStructType typeKind`,
	"RoutineReference":       `datasetId projectId routineId`,
	"SparkOptions": `archiveUris:[]t connection containerImage fileUris:[]t jarUris:[]t mainClass mainFileUri properties:{}t pyFileUris:[]t
		runtimeVersion`,
	"ModelReference": `datasetId modelId projectId`,
	"TrainingRun": `classLevelGlobalExplanations:- dataSplitResult:- evaluationMetrics:- modelLevelGlobalExplanation:- results:- startTime:-
		trainingOptions:- trainingStartTime:- vertexAiModelId vertexAiModelVersion:-`,
	"RowAccessPolicyReference": `datasetId policyId projectId tableId`,
	"Policy":                   `auditConfigs:[]@AuditConfig bindings:[]@Binding etag version:n`,
	"GetPolicyOptions":         `requestedPolicyVersion:n`,
	"JobConfigurationTableCopy": `createDisposition destinationEncryptionConfiguration:@EncryptionConfiguration destinationExpirationTime
		destinationTable:@TableReference operationType sourceTable:@TableReference sourceTables:[]@TableReference
		writeDisposition`,
	"JobConfigurationExtract": `compression destinationFormat destinationUri destinationUris:[]t fieldDelimiter modelExtractOptions:@ModelExtractOptions
		printHeader:b sourceModel:@ModelReference sourceTable:@TableReference useAvroLogicalTypes:b`,
	"JobConfigurationLoad": `allowJaggedRows:b allowQuotedNewlines:b autodetect:b clustering:@Clustering columnNameCharacterMap
		connectionProperties:[]@ConnectionProperty copyFilesOnly:b createDisposition createSession:b dateFormat datetimeFormat
		decimalTargetTypes:[]t destinationEncryptionConfiguration:@EncryptionConfiguration destinationTable:@TableReference
		destinationTableProperties:@DestinationTableProperties encoding fieldDelimiter fileSetSpecType
		hivePartitioningOptions:@HivePartitioningOptions ignoreUnknownValues:b jsonExtension maxBadRecords:n nullMarker
		nullMarkers:[]t parquetOptions:@ParquetOptions preserveAsciiControlCharacters:b projectionFields:[]t quote
		rangePartitioning:@RangePartitioning referenceFileSchemaUri schema:@TableSchema schemaInline schemaInlineFormat
		schemaUpdateOptions:[]t skipLeadingRows:n sourceColumnMatch sourceFormat sourceUris:[]t timeFormat
		timePartitioning:@TimePartitioning timeZone timestampFormat useAvroLogicalTypes:b writeDisposition`,
	"JobConfigurationQuery": `allowLargeResults:b clustering:@Clustering connectionProperties:[]@ConnectionProperty continuous:! createDisposition
		createSession:b defaultDataset:@DatasetReference destinationEncryptionConfiguration:@EncryptionConfiguration
		destinationTable:@TableReference dryRun:! flattenResults:b maximumBillingTier:n maximumBytesBilled:n parameterMode
		preserveNulls:b priority query queryParameters:[]@QueryParameter rangePartitioning:@RangePartitioning
		schemaUpdateOptions:[]t scriptOptions:@ScriptOptions systemVariables:- tableDefinitions:{}@ExternalDataConfiguration
		timePartitioning:@TimePartitioning useLegacySql:b useQueryCache:b
		userDefinedFunctionResources:! writeDisposition writeIncrementalResults:b`,
	"QueryParameterType":  `arrayType:@QueryParameterType rangeElementType:@QueryParameterType structTypes:[]@QueryParameterTypeStructTypes type`,
	"QueryParameterValue": `arrayValues:[]@QueryParameterValue rangeValue:@RangeValue structValues:{}@QueryParameterValue value:s`,
	"AvroOptions":         `useAvroLogicalTypes:b`,
	"BigtableOptions": `columnFamilies:[]@BigtableColumnFamily ignoreUnspecifiedColumnFamilies:b outputColumnFamiliesAsJson:b
		readRowkeyAsString:b`,
	"CsvOptions": `allowJaggedRows:b allowQuotedNewlines:b encoding fieldDelimiter nullMarker nullMarkers:[]t
		preserveAsciiControlCharacters:b quote skipLeadingRows:n sourceColumnMatch`,
	"GoogleSheetsOptions":     `range skipLeadingRows:n`,
	"HivePartitioningOptions": `fields:- mode requirePartitionFilter:b sourceUriPrefix`,
	"JsonOptions":             `encoding`,
	"ParquetOptions":          `enableListInference:b enumAsString:b mapTargetType`,
	"PartitionedColumn":       `field`,
	"RangePartitioningRange":  `end:n interval:n start:n`,
	"TableFieldSchema": `categories:@TableFieldSchemaCategories collation dataPolicies:[]@DataPolicyOption defaultValueExpression description
		fields:[]@TableFieldSchema foreignTypeDefinition maxLength:n mode name policyTags:@TableFieldSchemaPolicyTags
		precision:n rangeElementType:@TableFieldSchemaRangeElementType roundingMode scale:n type`,
	"ForeignTypeInfo": `typeSystem`,
	"TableConstraintsForeignKeys": `columnReferences:[]@TableConstraintsForeignKeysColumnReferences name
		referencedTable:@TableConstraintsForeignKeysReferencedTable`,
	"TableConstraintsPrimaryKey": `columns:[]t`,
	"PrivacyPolicy": `aggregationThresholdPolicy:@AggregationThresholdPolicy differentialPrivacyPolicy:@DifferentialPrivacyPolicy
		joinRestrictionPolicy:@JoinRestrictionPolicy`,
	"Expr":                                        `description expression location title`,
	"DatasetAccessEntry":                          `dataset:@DatasetReference targetTypes:[]t`,
	"StandardSqlField":                            `name type:@StandardSqlDataType`,
	"StandardSqlStructType":                       `fields:[]@StandardSqlField`,
	"AuditConfig":                                 `auditLogConfigs:[]@AuditLogConfig service`,
	"Binding":                                     `condition:@Expr members:[]t role`,
	"ModelExtractOptions":                         `trialId:n`,
	"DestinationTableProperties":                  `description expirationTime friendlyName labels:{}t`,
	"ScriptOptions":                               `keyResultStatement statementByteBudget:n statementTimeoutMs:n`,
	"QueryParameterTypeStructTypes":               `description name type:@QueryParameterType`,
	"RangeValue":                                  `end:@QueryParameterValue start:@QueryParameterValue`,
	"BigtableColumnFamily":                        `columns:[]@BigtableColumn encoding familyId onlyReadLatest:b type`,
	"TableFieldSchemaCategories":                  `names:[]t`,
	"DataPolicyOption":                            `name`,
	"TableFieldSchemaPolicyTags":                  `names:[]t`,
	"TableFieldSchemaRangeElementType":            `type`,
	"TableConstraintsForeignKeysColumnReferences": `referencedColumn referencingColumn`,
	"TableConstraintsForeignKeysReferencedTable":  `datasetId projectId tableId`,
	"AggregationThresholdPolicy":                  `privacyUnitColumns:[]t threshold:n`,
	"DifferentialPrivacyPolicy": `deltaBudget:n deltaBudgetRemaining:- deltaPerQuery:n epsilonBudget:n epsilonBudgetRemaining:- maxEpsilonPerQuery:n
		maxGroupsContributed:n privacyUnitColumn`,
	"JoinRestrictionPolicy": `joinAllowedColumns:[]t joinCondition`,
	"AuditLogConfig":        `exemptedMembers:[]t logType`,
	"BigtableColumn":        `encoding fieldName onlyReadLatest:b qualifierEncoded qualifierString type`,
}
