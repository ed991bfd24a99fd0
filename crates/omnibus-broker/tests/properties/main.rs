//! Properties: the broker against naive models and honest clients, over random histories.

mod producers;
mod classic;
mod consumer;
mod replicas;
mod names;
mod queues;
mod queue_model;
mod bounds;
