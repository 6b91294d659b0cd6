//! Servers, LANs, SANs, pools, QoS policies and templates: nothing but the standard methods.

use tonic::{Request, Response, Status};
use twinrail_proto::domain::{Lan, Pool, QosPolicy, San, Server, Template};
use twinrail_proto::grpc::v1;

use super::standard::standard_service;
use crate::api::call::Head;
use crate::api::page::Page;

standard_service! {
    server_service_server::ServerService of Server:
    list_servers, ListServersRequest, ListServersResponse { servers };
    get_server, GetServerRequest, Server;
    create_server, CreateServerRequest { server_id, server }, CreateServerResponse;
    update_server, UpdateServerRequest, UpdateServerResponse;
    delete_server, DeleteServerRequest, DeleteServerResponse;
    also {}
}

standard_service! {
    lan_service_server::LanService of Lan:
    list_lans, ListLansRequest, ListLansResponse { lans };
    get_lan, GetLanRequest, Lan;
    create_lan, CreateLanRequest { lan_id, lan }, CreateLanResponse;
    update_lan, UpdateLanRequest, UpdateLanResponse;
    delete_lan, DeleteLanRequest, DeleteLanResponse;
    also {}
}

standard_service! {
    san_service_server::SanService of San:
    list_sans, ListSansRequest, ListSansResponse { sans };
    get_san, GetSanRequest, San;
    create_san, CreateSanRequest { san_id, san }, CreateSanResponse;
    update_san, UpdateSanRequest, UpdateSanResponse;
    delete_san, DeleteSanRequest, DeleteSanResponse;
    also {}
}

standard_service! {
    pool_service_server::PoolService of Pool:
    list_pools, ListPoolsRequest, ListPoolsResponse { pools };
    get_pool, GetPoolRequest, Pool;
    create_pool, CreatePoolRequest { pool_id, pool }, CreatePoolResponse;
    update_pool, UpdatePoolRequest, UpdatePoolResponse;
    delete_pool, DeletePoolRequest, DeletePoolResponse;
    also {}
}

standard_service! {
    qos_policy_service_server::QosPolicyService of QosPolicy:
    list_qos_policies, ListQosPoliciesRequest, ListQosPoliciesResponse { qos_policies };
    get_qos_policy, GetQosPolicyRequest, QosPolicy;
    create_qos_policy, CreateQosPolicyRequest { qos_policy_id, qos_policy }, CreateQosPolicyResponse;
    update_qos_policy, UpdateQosPolicyRequest, UpdateQosPolicyResponse;
    delete_qos_policy, DeleteQosPolicyRequest, DeleteQosPolicyResponse;
    also {}
}

standard_service! {
    template_service_server::TemplateService of Template:
    list_templates, ListTemplatesRequest, ListTemplatesResponse { templates };
    get_template, GetTemplateRequest, Template;
    create_template, CreateTemplateRequest { template_id, template }, CreateTemplateResponse;
    update_template, UpdateTemplateRequest, UpdateTemplateResponse;
    delete_template, DeleteTemplateRequest, DeleteTemplateResponse;
    also {}
}
